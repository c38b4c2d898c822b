// The end of a write transaction: the catalogue is finished, and the version applied and published
// in one of three ways. See docs/durability.md.
#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {
namespace {

// Pages of dropped trees that a commit frees.
constexpr uint64_t kDetachedPagesPerCommit = 64;
// Fewer leaves than these are spelled out: they would save little, and where the commit is to be
// durable they need a flush of their own (docs/decisions/0024-appended-leaves-once.md).
constexpr size_t kMinReferredLeaves = 32;
constexpr size_t kMinReferredLeavesToFlush = 256;
// Runs that lie as close to each other are flushed as one.
constexpr uint64_t kFlushedGapPages = 64;

}  // namespace

// Values that were written through Reserve(): large ones get their checksums now, and the log gets
// all of them.
absl::Status WriteState::SealReserved() {
  for (const auto& [id, key, first_page, value_bytes] : reserved_) {
    const absl::StatusOr<KeyspaceState*> keyspace = FindKeyspace(id);
    if (absl::IsNotFound(keyspace.status())) continue;  // dropped since
    ESPALIER_RETURN_IF_ERROR(keyspace.status());
    tree::TreeWriter writer(&pages_, &arena_, &(*keyspace)->record.root);
    ESPALIER_ASSIGN_OR_RETURN(const tree::TreeWriter::Place place, writer.Seek(key));
    // Deleted or replaced since: what replaced it has its own entry in the log. A second one does
    // no harm, except where the log refers to a run: recovery takes that only once. No other value
    // of this transaction can be mistaken for it, since such a run is not handed out twice.
    if (!place.exact || place.payload.compressed) continue;
    page::Payload payload = place.payload;
    std::string_view value = payload.bytes;
    if (payload.large) {
      page::LargeRef ref =
          page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data()));
      const bool same = ref.first_page == first_page && ref.stored_bytes == value_bytes;
      if (ref.compressed || (!same && !IsMutant(Mutant::kLogReservedTwice))) continue;
      uint8_t* const run = pages_.source().write_page(ref.first_page);
      page::SealLarge(ref, run);
      value = {reinterpret_cast<const char*>(run), ref.stored_bytes};
      // The leaf is this transaction's own.
      ESPALIER_ASSIGN_OR_RETURN(uint8_t* const encoded, writer.OverwriteInPlace());
      ref.Encode(encoded);
      payload.bytes = {reinterpret_cast<const char*>(encoded), page::LargeRef::kEncodedBytes};
    }
    LogPut(id, key, value, payload);
  }
  reserved_.clear();
  return absl::OkStatus();
}

// The log refers to what was appended, or gets it where that is less to write, or lies scattered.
absl::Status WriteState::LogAppended() {
  if (appended_.leaves.empty()) return absl::OkStatus();
  std::vector<PageRun> runs;
  uint64_t entries = 0;
  for (const PageNumber leaf : appended_.leaves) {
    entries += page::HeaderOf(pages_.source().read_page(leaf)).entry_count;
    if (!runs.empty() && runs.back().first + runs.back().count == leaf.value) {
      ++runs.back().count;
    } else {
      runs.push_back({leaf.value, 1});
    }
  }
  // What a fault does: it turns a page to zeros.
  if (entries != appended_.entries) {
    return pages_.source().DataLoss("a leaf changed under a transaction");
  }
  std::vector<PageRun> flushed = runs;
  std::sort(flushed.begin(), flushed.end(),
            [](const PageRun& left, const PageRun& right) { return left.first < right.first; });
  space::JoinRuns(flushed, kFlushedGapPages);
  const bool sync = durability_ == Durability::kSync;
  if (appended_.leaves.size() < (sync ? kMinReferredLeavesToFlush : kMinReferredLeaves) ||
      logged_runs_.size() + flushed.size() > Engine::kMaxRunsPerFlush) {
    SpellOut();
    return absl::OkStatus();
  }
  std::vector<uint64_t> checksums;
  checksums.reserve(appended_.leaves.size());
  for (const PageNumber leaf : appended_.leaves) checksums.push_back(pages_.SealForLog(leaf));
  logged_runs_.insert(logged_runs_.end(), flushed.begin(), flushed.end());
  Log([&](log::RedoBuffer& redo) {
    redo.AppendLeaves(appended_.keyspace, runs, log::ChecksumOfLeaves(checksums));
  });
  return absl::OkStatus();
}

// Frees a bounded number of pages of trees that were cut off, and writes down what is left of them.
absl::Status WriteState::FreeDetached() {
  if (detached_.empty() && !may_have_detached_) return absl::OkStatus();
  uint64_t budget = kDetachedPagesPerCommit;
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  for (const tree::DetachedTree& tree : detached_) {
    std::optional<tree::DetachedTree> rest = tree;
    if (budget > 0) {
      ESPALIER_ASSIGN_OR_RETURN(rest, tree::TreeWriter::FreePart(pages_, tree, budget));
    }
    if (rest.has_value()) {
      ESPALIER_RETURN_IF_ERROR(catalogue.PutDetached({next_id_++, *rest}));
      may_have_detached_ = true;
    }
  }
  detached_.clear();
  while (budget > 0) {
    ESPALIER_ASSIGN_OR_RETURN(const std::vector<DetachedRecord> oldest,
                              CatalogueReader(reader(), catalogue_).Detached(1));
    may_have_detached_ = !oldest.empty();
    if (oldest.empty()) break;
    ESPALIER_ASSIGN_OR_RETURN(const std::optional<tree::DetachedTree> rest,
                              tree::TreeWriter::FreePart(pages_, oldest[0].tree, budget));
    if (rest.has_value()) {
      ESPALIER_RETURN_IF_ERROR(catalogue.PutDetached({oldest[0].number, *rest}));
    } else {
      ESPALIER_RETURN_IF_ERROR(catalogue.RemoveDetached(oldest[0].number));
    }
  }
  return absl::OkStatus();
}

const KeyspaceState* WriteState::RecentKeyspace() const {
  const KeyspaceState* recent = last_ != nullptr && !last_->dropped ? last_ : nullptr;
  if (recent != nullptr && recent->unrecorded) return recent;
  ForEachKeyspace([&](const KeyspaceState& keyspace) {
    if (keyspace.unrecorded) recent = &keyspace;
  });
  return recent;
}

// The catalogue learns of all changed keyspaces but one.
absl::Status WriteState::FinishCatalogue() {
  const KeyspaceState* const recent = RecentKeyspace();
  absl::Status status;
  ForEachKeyspace([&](const KeyspaceState& keyspace) {
    if (!keyspace.unrecorded || &keyspace == recent || !status.ok()) return;
    absl::StatusOr<std::string> name = NameOf(keyspace);
    status = name.status();
    if (!status.ok()) return;
    CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
    status = catalogue.PutKeyspace({keyspace.id, *std::move(name), keyspace.record});
  });
  return status;
}

absl::Status WriteState::Prepare() {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  ESPALIER_RETURN_IF_ERROR(engine_->PoisonStatus());
  pages_.set_reserve(space::Reserve::kMayUse);
  // In this order: a key may be reserved, deleted and appended, and is put again by the former.
  ESPALIER_RETURN_IF_ERROR(LogAppended());
  ESPALIER_RETURN_IF_ERROR(SealReserved());
  ESPALIER_RETURN_IF_ERROR(FreeDetached());
  ESPALIER_RETURN_IF_ERROR(FinishCatalogue());
  // Stores into pages that the file no longer has went nowhere.
  ESPALIER_RETURN_IF_ERROR(engine_->OutgrownStatus());
  return CheckHealthy();
}

std::unique_ptr<VersionState> WriteState::MakeVersion() {
  auto made = std::make_unique<VersionState>();
  VersionState& state = *made;
  state.version = version_;
  state.catalogue = catalogue_;
  state.next_id = next_id_;
  state.page_limit = engine_->allocator_->page_count();
  state.source = engine_->source_;
  if (const KeyspaceState* const recent = RecentKeyspace(); recent != nullptr) {
    state.recent = {recent->id, recent->record, recent->unrecorded};
  }
  state.may_have_detached = may_have_detached_;
  return made;
}

absl::StatusOr<Version> WriteState::Commit() {
  ESPALIER_RETURN_IF_ERROR(CheckOpen());
  const absl::Cleanup end = [this] { End(); };
  if (!changed_ && failure_.ok() && !broken_off_) {
    // What it has seen may be still on its way to the disk, or waiting for it.
    ESPALIER_RETURN_IF_ERROR(engine_->PublishApplied());
    const Version seen = base_version_;
    if (durability_ == Durability::kSync) ESPALIER_RETURN_IF_ERROR(AwaitSeen());
    return seen;
  }
  absl::Status status = Prepare();
  if (status.ok()) {
    // Once something is in the log, it must not come to nothing for want of memory.
    std::unique_ptr<VersionState> state = MakeVersion();
    engine_->PrepareApply();
    if (durability_ == Durability::kCheckpoint) {
      status = CommitUnlogged(std::move(state));
    } else if (!logging_ ||
               (engine_->HasUnloggedChanges() && !IsMutant(Mutant::kLogUponUnlogged)) ||
               (durability_ == Durability::kSync &&
                logged_runs_.size() > Engine::kMaxRunsPerFlush)) {
      status = CommitByCheckpoint(std::move(state), LogAfterwards::kKept);
    } else {
      status = CommitToLog(std::move(state));
    }
  }
  if (!status.ok()) return status;
  return version_;
}

absl::Status WriteState::CommitUnlogged(std::unique_ptr<VersionState> state) {
  Engine& engine = *engine_;
  ESPALIER_RETURN_IF_ERROR(engine.PublishApplied());
  engine.allocator_->Commit();
  if (!same_content_) engine.unlogged_version_ = version_;
  engine.Publish(engine.Apply(std::move(state)));
  engine.commits_.fetch_add(1, std::memory_order_relaxed);
  engine.ReclaimPages();
  Leave();
  return absl::OkStatus();
}

absl::Status WriteState::CommitToLog(std::unique_ptr<VersionState> made) {
  Engine& engine = *engine_;
  const bool sync = durability_ == Durability::kSync;
  engine.NoteLoggedRuns(logged_runs_, version_);
  const absl::StatusOr<log::LogWriter::Appended> appended =
      engine.log_->Append(log::RecordKind::kTransaction, version_, redo_.record(),
                          /*flush_follows=*/sync || IsMutant(Mutant::kAsyncInMemory));
  // The disk is full, or the ring is, because many came at once; not so if it was a flush that
  // found the disk full (INV-9).
  if (absl::IsResourceExhausted(appended.status()) && engine.log_->status().ok()) {
    return CommitByCheckpoint(std::move(made), LogAfterwards::kRemoved);
  }
  if (!appended.ok()) return engine.Poison(appended.status());
  engine.allocator_->Commit();
  const VersionState& state = engine.Apply(std::move(made));
  engine.commits_.fetch_add(1, std::memory_order_relaxed);
  engine.referred_bytes_ += appended_.leaves.size() * pages_.page_bytes();
  engine.RequestCheckpointIfDue(*appended);
  // Versions become visible in their order, and none before it is as durable as its writer wants.
  const bool wait = sync || !appended->outlives_process ||
                    (engine.HasUnpublished() && !IsMutant(Mutant::kAsyncOvertakesSync));
  if (wait) engine.PublishLater(state);
  if (!wait || IsMutant(Mutant::kVisibleBeforeDurable)) engine.Publish(state);
  engine.ReclaimPages();
  if (wait) return AwaitFlush(appended->end);
  Leave();
  return absl::OkStatus();
}

// Nothing was changed, but what the transaction has seen is durable when it is acknowledged.
absl::Status WriteState::AwaitSeen() {
  Engine& engine = *engine_;
  const Version seen = base_version_;
  if (seen <= engine.DurableVersion() || engine.log_path_.empty()) return absl::OkStatus();
  ReaderSlot* const slot = engine.readers_.Acquire();
  engine.allocator_->Rollback();
  LeaveGate(slot, seen);
  const absl::Cleanup end = [&] { engine.EndTransaction(slot); };
  return engine.WaitDurable(seen);
}

// The gate opens for the next writer; the slot keeps the engine, as a reader does.
void WriteState::LeaveGate(ReaderSlot* slot, Version version) {
  Engine& engine = *std::exchange(engine_, nullptr);
  engine.readers_.Publish(slot, version);
  open_ = false;
  base_source_ = nullptr;
  ReturnBorrowed(engine);
  engine.gate_.Leave();
}

// The record of the next writer goes with the next flush.
absl::Status WriteState::AwaitFlush(LogPosition log_end) {
  Engine& engine = *engine_;
  ReaderSlot* slot = nullptr;
  try {
    slot = engine.readers_.Acquire();
  } catch (const std::bad_alloc&) {
    // Then the gate does, and the next writer has to wait for the flush.
    const absl::Status status = engine.FlushLog(*engine.log_, log_end);
    Leave();
    return status;
  }
  const std::shared_ptr<log::LogWriter> log = engine.log_;
  LeaveGate(slot, version_);
  const absl::Status status = IsMutant(Mutant::kAcknowledgeWithoutFlush)
                                  ? absl::OkStatus()
                                  : engine.FlushLog(*log, log_end);
  engine.EndTransaction(slot);
  return status;
}

// Nobody else writes until the slot is durable: what comes later must not be in the log without
// this.
absl::Status WriteState::CommitByCheckpoint(std::unique_ptr<VersionState> made,
                                            LogAfterwards log_afterwards) {
  Engine& engine = *engine_;
  ESPALIER_RETURN_IF_ERROR(engine.PublishApplied());
  engine.ClaimCheckpoint();
  absl::Cleanup release = [&] { engine.ReleaseClaim(); };
  ESPALIER_RETURN_IF_ERROR(engine.PoisonStatus());
  Engine::FrozenVersion frozen;
  ESPALIER_RETURN_IF_ERROR(engine.RewriteSpaceMap(version_, frozen, [&]() -> absl::Status {
    ESPALIER_RETURN_IF_ERROR(CheckHealthy());
    if (log_afterwards == LogAfterwards::kRemoved) return absl::OkStatus();
    return engine.MarkLog(version_, frozen);
  }));
  engine.allocator_->Commit();
  const VersionState& state = engine.Apply(std::move(made));
  engine.FreezeApplied(/*unchanged=*/false, Engine::Closing::kNo, frozen);
  std::move(release).Cancel();
  if (IsMutant(Mutant::kPublishBeforeSlot)) engine.Publish(state);
  const absl::Status status = engine.Finish(frozen);
  if (status.ok()) {
    if (log_afterwards == LogAfterwards::kRemoved) engine.RemoveLog();
    engine.Publish(state);
    engine.commits_.fetch_add(1, std::memory_order_relaxed);
    engine.ReclaimPages();
  }
  Leave();
  return status;
}

}  // namespace espalier::txn
