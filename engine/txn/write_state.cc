#include "engine/txn/write_state.h"

#include <algorithm>
#include <new>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/tree/lookup.h"

namespace espalier::txn {
namespace {

// Pages of dropped trees that a commit frees.
constexpr uint64_t kDetachedPagesPerCommit = 64;
// A value that lies outside of its leaf goes into the log as well if it is smaller than this: to
// write it twice costs less than a flush of its own (docs/decisions/0016-large-values-once.md).
constexpr uint64_t kLoggedByReferenceBytes = uint64_t{64} << 10;
// So many are flushed one by one; a transaction with more of them takes a checkpoint.
constexpr size_t kMaxRunsPerSync = 8;
// A buffer that was used for more is not kept for the next transaction.
constexpr size_t kKeptRedoBytes = size_t{1} << 20;

}  // namespace

WriteState::WriteState(Engine* engine, const VersionState& base, Version version,
                       Durability durability)
    : TransactionState(engine),
      pages_(&*engine->allocator_, version),
      writer_(&pages_, &arena_, nullptr),
      next_id_(base.next_id),
      base_version_(base.version),
      base_source_(base.source),
      durability_(durability),
      logging_(durability != Durability::kCheckpoint && engine->log_ != nullptr) {
  if (logging_) {
    max_redo_bytes_ = engine->log_->max_payload_bytes();
    redo_ = std::move(engine->spare_redo_);
    redo_.Clear();
  }
  if (engine->log_ != nullptr) {
    pages_.ProtectLoggedRuns(engine->DurableSlot().version, logging_);
  }
  version_ = version;
  catalogue_ = base.catalogue;
  reader_ = &pages_.reader();
  may_have_detached_ = base.may_have_detached;
  Remember(base);
  open_ = true;
}

WriteState::~WriteState() { WriteState::End(); }

void WriteState::End() {
  if (!open_) return;
  if (fork_generation_ == ForkGeneration()) engine_->allocator_->Rollback();
  Leave();
}

void WriteState::Leave() {
  open_ = false;
  base_source_ = nullptr;
  if (fork_generation_ != ForkGeneration()) return;
  Engine* const engine = std::exchange(engine_, nullptr);
  ReturnBorrowed(*engine);
  engine->EndTransaction(nullptr);
}

// What the writers of an engine hand on to each other.
void WriteState::ReturnBorrowed(Engine& engine) {
  engine.outgrown_.clear();
  if (redo_.payload_bytes() <= kKeptRedoBytes) engine.spare_redo_ = std::move(redo_);
}

absl::Status WriteState::CheckHealthy() const {
  if (IsHealthy()) [[likely]]
    return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(failure_);
  if (pages_.source().faulted()) return pages_.source().FaultStatus();
  return absl::OkStatus();
}

absl::Status WriteState::Fail(absl::Status status) {
  if (!status.ok() && failure_.ok() && !absl::IsNotFound(status) &&
      !absl::IsInvalidArgument(status)) {
    failure_ = status;
  }
  return status;
}

// In the mapping of the version that the transaction started from, or in another that it outgrew.
bool WriteState::IsMappedElsewhere(std::string_view bytes) const {
  const auto contains = [&](const auto& source) {
    return source->Contains(bytes.data(), bytes.size());
  };
  const auto& outgrown = engine_->outgrown_;
  return contains(base_source_) || std::any_of(outgrown.begin(), outgrown.end(), contains);
}

std::string_view WriteState::Detach(std::string_view bytes, std::string& copy) const {
  if (!IsMapped(bytes)) return bytes;
  copy.assign(bytes);
  return copy;
}

tree::TreeWriter& WriteState::WriterOf(KeyspaceState& keyspace) {
  if (writer_keyspace_ != &keyspace || writer_changes_ != keyspace.changes) {
    writer_.Attach(&keyspace.record.root);
    writer_keyspace_ = &keyspace;
    writer_changes_ = keyspace.changes;
  }
  return writer_;
}

void WriteState::Touch(KeyspaceState& keyspace) {
  keyspace.changed = true;
  ++keyspace.changes;
  writer_changes_ = keyspace.changes;
  changed_ = true;
}

absl::StatusOr<bool> WriteState::Put(KeyspaceState& keyspace, std::string_view key,
                                     std::string_view value, PutMode mode) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  std::string key_copy;
  std::string value_copy;
  key = Detach(key, key_copy);
  value = Detach(value, value_copy);
  const absl::StatusOr<tree::TreeWriter::Place> place = WriterOf(keyspace).Seek(key);
  if (!place.ok()) return Fail(place.status());
  if (place->exact && mode == PutMode::kOnlyIfAbsent) return false;
  ESPALIER_RETURN_IF_ERROR(PutAt(keyspace, key, value));
  return true;
}

absl::Status WriteState::Append(KeyspaceState& keyspace, std::string_view key,
                                std::string_view value) {
  const uint32_t compress_from = keyspace.record.compress_from;
  const bool plain = (compress_from == 0 || value.size() < compress_from) &&
                     page::FitsInline(key.size(), value.size(), pages_.page_bytes());
  if (plain && IsHealthy() && !IsMapped(key) && !IsMapped(value) &&
      WriterOf(keyspace).TryAppend(key, {value, false, false}) == tree::TreeWriter::Appended::kDone)
      [[likely]] {
    Touch(keyspace);
    Log([&](log::RedoBuffer& redo) { redo.Put(keyspace.id, key, value); });
    return absl::OkStatus();
  }
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  std::string key_copy;
  std::string value_copy;
  key = Detach(key, key_copy);
  value = Detach(value, value_copy);
  const absl::StatusOr<bool> at_end = WriterOf(keyspace).SeekEnd(key);
  if (!at_end.ok()) return Fail(at_end.status());
  if (!*at_end) {
    return absl::InvalidArgumentError(
        "the key to append is not greater than the last key of the keyspace");
  }
  return PutAt(keyspace, key, value);
}

// Where the keyspace's writer stands.
absl::Status WriteState::PutAt(KeyspaceState& keyspace, std::string_view key,
                               std::string_view value) {
  const absl::StatusOr<page::Payload> payload =
      encoder_.Encode(pages_, key.size(), value, keyspace.record.compress_from);
  if (!payload.ok()) return Fail(payload.status());
  Touch(keyspace);
  ESPALIER_RETURN_IF_ERROR(Fail(writer_.Put(key, *payload).status()));
  LogPut(keyspace.id, key, value, *payload);
  return absl::OkStatus();
}

void WriteState::LogPut(uint64_t keyspace, std::string_view key, std::string_view value,
                        const page::Payload& payload) {
  if (!logging_) return;
  if (payload.large) {
    const auto* const reference = reinterpret_cast<const uint8_t*>(payload.bytes.data());
    const page::LargeRef ref = page::LargeRef::Decode(reference);
    if (ref.stored_bytes >= kLoggedByReferenceBytes) {
      logged_runs_.push_back({ref.first_page.value, ref.RunPages(pages_.page_bytes())});
      Log([&](log::RedoBuffer& redo) {
        redo.PutLarge(keyspace, key, {reference, page::LargeRef::kEncodedBytes});
      });
      return;
    }
  }
  Log([&](log::RedoBuffer& redo) { redo.Put(keyspace, key, value); });
}

absl::Status WriteState::PutLarge(KeyspaceState& keyspace, std::string_view key,
                                  std::string_view reference) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  const absl::StatusOr<tree::TreeWriter::Place> place = WriterOf(keyspace).Seek(key);
  if (!place.ok()) return Fail(place.status());
  pages_.AdoptRun(page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(reference.data())));
  Touch(keyspace);
  return Fail(writer_.Put(key, {reference, false, true}).status());
}

absl::StatusOr<absl::Span<char>> WriteState::Reserve(KeyspaceState& keyspace, std::string_view key,
                                                     uint64_t value_bytes) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  std::string key_copy;
  key = Detach(key, key_copy);
  tree::TreeWriter& writer = WriterOf(keyspace);
  const absl::StatusOr<tree::TreeWriter::Place> place = writer.Seek(key);
  if (!place.ok()) return Fail(place.status());
  uint8_t* run = nullptr;
  const absl::StatusOr<page::Payload> payload =
      encoder_.EncodeReserved(pages_, key.size(), value_bytes, &run);
  if (!payload.ok()) return Fail(payload.status());
  Touch(keyspace);
  const absl::StatusOr<uint8_t*> in_leaf = writer.Put(key, *payload);
  if (!in_leaf.ok()) return Fail(in_leaf.status());
  // The log has it once the caller has written it.
  if (run != nullptr || logging_) reserved_.emplace_back(keyspace.id, std::string(key));
  return absl::MakeSpan(reinterpret_cast<char*>(run != nullptr ? run : *in_leaf), value_bytes);
}

absl::StatusOr<bool> WriteState::Delete(KeyspaceState& keyspace, std::string_view key) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  std::string key_copy;
  key = Detach(key, key_copy);
  pages_.set_reserve(space::Reserve::kMayUse);
  tree::TreeWriter& writer = WriterOf(keyspace);
  const absl::StatusOr<tree::TreeWriter::Place> place = writer.Seek(key);
  if (!place.ok()) return Fail(place.status());
  if (!place->exact) {
    pages_.set_reserve(space::Reserve::kKeep);
    return false;
  }
  Touch(keyspace);
  const absl::Status status = Fail(writer.Remove());
  pages_.set_reserve(space::Reserve::kKeep);
  ESPALIER_RETURN_IF_ERROR(status);
  Log([&](log::RedoBuffer& redo) { redo.Delete(keyspace.id, key); });
  return true;
}

absl::StatusOr<uint64_t> WriteState::DeleteRange(KeyspaceState& keyspace, std::string_view begin,
                                                 std::optional<std::string_view> end) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  std::string begin_copy;
  std::string end_copy;
  begin = Detach(begin, begin_copy);
  if (end.has_value()) end = Detach(*end, end_copy);
  // What is cut off with its subtree cannot be found at the commit any more.
  ESPALIER_RETURN_IF_ERROR(Fail(SealReserved()));
  pages_.set_reserve(space::Reserve::kMayUse);
  tree::TreeWriter& writer = WriterOf(keyspace);
  const absl::StatusOr<uint64_t> removed = writer.RemoveRange(begin, end, detached_);
  pages_.set_reserve(space::Reserve::kKeep);
  if (!removed.ok()) return Fail(removed.status());
  // Even where no entry was in the range: on the way pages may have been copied, and nodes merged
  // without any change of the root.
  Touch(keyspace);
  Log([&](log::RedoBuffer& redo) { redo.DeleteRange(keyspace.id, begin, end); });
  return *removed;
}

absl::StatusOr<uint64_t> WriteState::CreateKeyspace(std::string_view name, uint32_t compress_from) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  if (name.empty() || name.size() > kMaxKeyspaceNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a keyspace's name has 1 to ", kMaxKeyspaceNameBytes, " bytes, not ", name.size()));
  }
  const absl::StatusOr<uint64_t> existing = FindKeyspaceByName(name);
  if (existing.ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a keyspace \"", std::string(name), "\""));
  }
  if (!absl::IsNotFound(existing.status())) return existing.status();
  std::string name_copy;
  name = Detach(name, name_copy);
  const uint64_t id = next_id_++;
  changed_ = true;
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.PutName(name, id)));
  const KeyspaceRecord record{{}, compress_from, std::string(name)};
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.PutKeyspace(id, record)));
  Log([&](log::RedoBuffer& redo) { redo.Create(id, compress_from, record.name); });
  return id;
}

absl::StatusOr<bool> WriteState::HasKeyspace(uint64_t id) {
  const absl::StatusOr<KeyspaceState*> keyspace = FindKeyspace(id);
  if (absl::IsNotFound(keyspace.status())) return false;
  ESPALIER_RETURN_IF_ERROR(keyspace.status());
  return true;
}

absl::Status WriteState::DropKeyspace(KeyspaceState& keyspace) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  if (keyspace.id == kDefaultKeyspaceId) {
    return absl::InvalidArgumentError("the default keyspace cannot be dropped");
  }
  ESPALIER_RETURN_IF_ERROR(Fail(SealReserved()));
  changed_ = true;
  pages_.set_reserve(space::Reserve::kMayUse);
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  absl::Status status = Fail(catalogue.RemoveName(keyspace.record.name));
  if (status.ok()) status = Fail(catalogue.RemoveKeyspace(keyspace.id));
  pages_.set_reserve(space::Reserve::kKeep);
  ESPALIER_RETURN_IF_ERROR(status);
  const page::TreeRoot& root = keyspace.record.root;
  if (root.height > 0) detached_.push_back({root.ref, root.height - 1});
  keyspace.dropped = true;
  keyspace.changed = false;
  ++keyspace.changes;
  Log([&](log::RedoBuffer& redo) { redo.Drop(keyspace.id); });
  return absl::OkStatus();
}

absl::Status WriteState::RenameKeyspace(KeyspaceState& keyspace, std::string_view name) {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  if (keyspace.id == kDefaultKeyspaceId) {
    return absl::InvalidArgumentError("the default keyspace cannot be renamed");
  }
  if (name.empty() || name.size() > kMaxKeyspaceNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a keyspace's name has 1 to ", kMaxKeyspaceNameBytes, " bytes, not ", name.size()));
  }
  if (name == keyspace.record.name) return absl::OkStatus();
  const absl::StatusOr<uint64_t> existing = FindKeyspaceByName(name);
  if (existing.ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a keyspace \"", std::string(name), "\""));
  }
  if (!absl::IsNotFound(existing.status())) return existing.status();
  changed_ = true;
  const std::string new_name(name);
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.RemoveName(keyspace.record.name)));
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.PutName(new_name, keyspace.id)));
  keyspace.record.name = new_name;
  keyspace.changed = true;
  Log([&](log::RedoBuffer& redo) { redo.Rename(keyspace.id, new_name); });
  return absl::OkStatus();
}

// Values that were written through Reserve(): large ones get their checksums now, and the log gets
// all of them.
absl::Status WriteState::SealReserved() {
  for (const auto& [id, key] : reserved_) {
    const absl::StatusOr<KeyspaceState*> keyspace = FindKeyspace(id);
    if (absl::IsNotFound(keyspace.status())) continue;  // dropped since
    ESPALIER_RETURN_IF_ERROR(keyspace.status());
    tree::TreeWriter writer(&pages_, &arena_, &(*keyspace)->record.root);
    ESPALIER_ASSIGN_OR_RETURN(const tree::TreeWriter::Place place, writer.Seek(key));
    // Deleted or replaced since: what replaced it has its own entry in the log, and if it is like
    // this one, then a second one.
    if (!place.exact || place.payload.compressed) continue;
    page::Payload payload = place.payload;
    std::string_view value = payload.bytes;
    if (payload.large) {
      page::LargeRef ref =
          page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data()));
      if (ref.birth != version_ || ref.compressed) continue;
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

void WriteState::StopLogging() {
  logging_ = false;
  redo_ = log::RedoBuffer();
  logged_runs_.clear();
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

absl::Status WriteState::FinishCatalogue() {
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  absl::Status status;
  ForEachKeyspace([&](const KeyspaceState& keyspace) {
    if (!keyspace.changed || !status.ok()) return;
    status = catalogue.PutKeyspace(keyspace.id, keyspace.record);
  });
  return status;
}

absl::Status WriteState::Prepare() {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  ESPALIER_RETURN_IF_ERROR(engine_->PoisonStatus());
  pages_.set_reserve(space::Reserve::kMayUse);
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
  if (last_ != nullptr && !last_->dropped) state.recent = {last_->id, std::move(last_->record)};
  state.may_have_detached = may_have_detached_;
  return made;
}

absl::StatusOr<Version> WriteState::Commit() {
  ESPALIER_RETURN_IF_ERROR(CheckOpen());
  absl::Status status;
  if (!changed_ && failure_.ok()) {
    // What it has seen may be still on its way to the disk.
    status = engine_->PublishApplied();
    End();
    if (!status.ok()) return status;
    return base_version_;
  }
  const Version version = version_;
  status = Prepare();
  if (status.ok()) {
    // Once something is in the log, it must not come to nothing for want of memory.
    std::unique_ptr<VersionState> state = MakeVersion();
    engine_->PrepareApply();
    if (durability_ == Durability::kCheckpoint) {
      status = CommitUnlogged(std::move(state));
    } else if (!logging_ || engine_->HasUnloggedChanges() ||
               (durability_ == Durability::kSync && logged_runs_.size() > kMaxRunsPerSync)) {
      status = CommitByCheckpoint(std::move(state), LogAfterwards::kKept);
    } else {
      status = CommitToLog(std::move(state));
    }
  }
  End();
  if (!status.ok()) return status;
  return version;
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
  engine.NoteLoggedRuns(logged_runs_);
  const absl::StatusOr<log::LogWriter::Appended> appended = engine.log_->Append(
      log::RecordKind::kTransaction, version_, redo_.record(), /*flush_follows=*/sync);
  // The disk is full, or the ring is, because many came at once; not so if it was a flush that
  // found the disk full (INV-9).
  if (absl::IsResourceExhausted(appended.status()) && engine.log_->status().ok()) {
    return CommitByCheckpoint(std::move(made), LogAfterwards::kRemoved);
  }
  if (!appended.ok()) return engine.Poison(appended.status());
  engine.allocator_->Commit();
  const VersionState& state = engine.Apply(std::move(made));
  engine.commits_.fetch_add(1, std::memory_order_relaxed);
  engine.RequestCheckpointIfDue();
  // Versions become visible in their order, and none before it is as durable as its writer wants.
  bool wait = sync || !appended->outlives_process;
  {
    MutexLock lock(&engine.publication_mutex_);
    wait = wait || !engine.unpublished_.empty();
    if (wait) engine.unpublished_.push_back(&state);
  }
  if (!wait) engine.Publish(state);
  engine.ReclaimPages();
  if (wait) return AwaitFlush(appended->end);
  Leave();
  return absl::OkStatus();
}

// The gate opens for the next writer, whose record goes with the next flush.
absl::Status WriteState::AwaitFlush(LogPosition log_end) {
  Engine& engine = *engine_;
  // Keeps the engine, as a reader does.
  ReaderSlot* slot = nullptr;
  try {
    slot = engine.readers_.Acquire();
  } catch (const std::bad_alloc&) {
    // Then the gate does, and the next writer has to wait for the flush.
    absl::Status status = engine.log_->Flush(log_end);
    if (!status.ok()) status = engine.Poison(status);
    Leave();
    return status;
  }
  engine.readers_.Publish(slot, version_);
  open_ = false;
  base_source_ = nullptr;
  engine_ = nullptr;
  const std::shared_ptr<log::LogWriter> log = engine.log_;
  ReturnBorrowed(engine);
  engine.gate_.Leave();
  absl::Status status = log->Flush(log_end);
  if (!status.ok()) status = engine.Poison(status);
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
  if (log_afterwards == LogAfterwards::kKept) {
    ESPALIER_ASSIGN_OR_RETURN(frozen, engine.MarkLog(version_));
  }
  ESPALIER_RETURN_IF_ERROR(engine.RewriteSpaceMap(version_, frozen));
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  engine.allocator_->Commit();
  const VersionState& state = engine.Apply(std::move(made));
  engine.FreezeApplied(/*unchanged=*/false, Engine::Closing::kNo, frozen);
  std::move(release).Cancel();
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
