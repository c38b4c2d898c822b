// Making a version durable.
//
// Freeze, under the writer gate: the version, its catalogue, the bitmap of its pages, its place in
// the log. Then, with writers going on: seal and write its pages, flush them, and only then (INV-4)
// write the slot and flush that.
#include <algorithm>
#include <chrono>
#include <new>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/catch_bad_alloc.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/os/directory.h"
#include "engine/page/checksum.h"
#include "engine/txn/engine.h"

namespace espalier::txn {
namespace {

// What is written back at once; two steps are under way. A step ends where the file offset is a
// multiple of this, as the page cache's folios do, none of which is larger: one on both sides would
// be written twice, whole.
constexpr uint64_t kStepBytes = uint64_t{2} << 20;
// Where one page of so many is about to be written back, the others are mapped again for less.
constexpr uint64_t kPagesPerDensePage = 16;

}  // namespace

void Engine::ClaimCheckpoint() {
  MutexLock lock(&state_mutex_);
  while (checkpoint_claimed_) checkpoint_ended_.Wait(&state_mutex_);
  checkpoint_claimed_ = true;
}

// While a checkpoint runs, writers go on: the gate is not held waiting for it.
bool Engine::ClaimWithGate(const std::atomic<bool>* give_up) {
  while (true) {
    if (!gate_.Enter(std::nullopt, give_up)) return false;
    MutexLock lock(&state_mutex_);
    if (!checkpoint_claimed_) {
      checkpoint_claimed_ = true;
      return true;
    }
    gate_.Leave();
    while (checkpoint_claimed_) checkpoint_ended_.Wait(&state_mutex_);
  }
}

void Engine::ReleaseClaim() {
  MutexLock lock(&state_mutex_);
  checkpoint_claimed_ = false;
  checkpoint_ended_.NotifyAll();
}

page::CheckpointSlot Engine::DurableSlot() const {
  MutexLock lock(&state_mutex_);
  return slot_;
}

void Engine::NoteDurableSlot(const page::CheckpointSlot& slot, uint32_t index) {
  slot_ = slot;
  slot_index_ = index;
  durable_version_.store(slot.version.value);
}

absl::Status Engine::Checkpoint() { return TakeCheckpoint(nullptr); }

absl::Status Engine::TakeCheckpoint(const std::atomic<bool>* give_up) {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  if (options_.read_only) {
    return absl::FailedPreconditionError(absl::StrCat(path(), ": opened for reading only"));
  }
  // Until the next one, about as many pages will be written anew.
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t written, CheckpointOnce(Closing::kNo, give_up));
  if (!gate_.Enter(std::nullopt, give_up)) return absl::CancelledError();
  absl::Cleanup leave = [this] { gate_.Leave(); };
  return GiveSpaceBack(GiveBack::kLarge, /*kept_pages=*/written);
}

void Engine::CheckpointInBackground() {
  absl::Status status;
  try {
    status = TakeCheckpoint(&leaving_background_);
  } catch (const std::bad_alloc&) {
    status = no_memory_;
  }
  MutexLock lock(&state_mutex_);
  ++background_runs_;
  background_status_ = status;
  checkpoint_ended_.NotifyAll();
}

void Engine::LeaveBackground(void (BackgroundTask::*leave)()) {
  leaving_background_.store(true);
  gate_.Wake();
  (background_.*leave)();
  leaving_background_.store(false);
  ask_background_again_.store(true);
}

absl::StatusOr<uint64_t> Engine::CheckpointOnce(Closing closing, const std::atomic<bool>* give_up) {
  if (!ClaimWithGate(give_up)) return absl::CancelledError();
  absl::Cleanup release = [this] { ReleaseClaim(); };
  absl::Cleanup leave = [this] { gate_.Leave(); };
  const absl::StatusOr<std::optional<FrozenVersion>> frozen = Freeze(closing);
  std::move(leave).Invoke();
  ESPALIER_RETURN_IF_ERROR(frozen.status());
  if (!frozen->has_value()) return 0;
  std::move(release).Cancel();
  ESPALIER_RETURN_IF_ERROR(Finish(**frozen));
  return (*frozen)->unflushed.nodes.size();
}

// Nothing if there is nothing new to make durable.
absl::StatusOr<std::optional<Engine::FrozenVersion>> Engine::Freeze(Closing closing) {
  ESPALIER_RETURN_IF_ERROR(PoisonStatus());
  ESPALIER_RETURN_IF_ERROR(PublishApplied());
  const page::CheckpointSlot durable = DurableSlot();
  const Version version = applied().version;
  const bool unchanged = version == durable.version;
  if (unchanged && (closing == Closing::kNo || durable.clean)) {
    ESPALIER_RETURN_IF_ERROR(SecureFoundSlot());
    return std::nullopt;
  }
  FrozenVersion frozen;
  if (!unchanged) {
    allocator_->Begin(version);
    absl::Cleanup roll_back = [this] {
      allocator_->Rollback();
      outgrown_.clear();
    };
    ESPALIER_RETURN_IF_ERROR(RewriteSpaceMap(version, frozen, [&] {
      return closing == Closing::kNo ? MarkLog(version, frozen) : absl::OkStatus();
    }));
    std::move(roll_back).Cancel();
    allocator_->Commit();
    outgrown_.clear();
  }
  FreezeApplied(unchanged, closing, frozen);
  return frozen;
}

// What follows in the log follows this version. Nothing yet refers to the mark.
absl::Status Engine::MarkLog(Version version, FrozenVersion& frozen) {
  if (log_ == nullptr) return absl::OkStatus();
  const absl::StatusOr<log::LogWriter::Appended> mark = log_->AppendCheckpoint(version);
  if (!mark.ok()) return log_->status().ok() ? mark.status() : Poison(mark.status());
  if (IsMutant(Mutant::kRecycleEarly)) log_->Recycle(mark->before.position);
  frozen.log = log_;
  frozen.log_begin = mark->before;
  frozen.log_end = mark->end;
  return absl::OkStatus();
}

// Within the allocator's running transaction, which makes or made `version`. What else can fail
// comes before the pages are taken that are to be flushed: nobody else would flush them.
absl::Status Engine::RewriteSpaceMap(Version version, FrozenVersion& frozen,
                                     absl::FunctionRef<absl::Status()> finish) {
  allocator_->AllocateFromFront();
  return space_map_->Rewrite(*allocator_, version, [&] {
    allocator_->PrepareCommit();
    ESPALIER_RETURN_IF_ERROR(OutgrownStatus());
    ESPALIER_RETURN_IF_ERROR(finish());
    frozen.unflushed = allocator_->TakeUnflushed();
    return absl::OkStatus();
  });
}

// The space map is written.
void Engine::FreezeApplied(bool unchanged, Closing closing, FrozenVersion& frozen) {
  const VersionState& version = applied();
  frozen.slot = DurableSlot();
  ++frozen.slot.sequence;
  frozen.slot.clean = closing == Closing::kYes;
  if (!unchanged) {
    frozen.slot.version = version.version;
    frozen.slot.catalogue = version.catalogue;
    frozen.slot.keyspace.reset();
    if (version.recent.has_value() && version.recent->unrecorded) {
      const auto& [id, record, unrecorded] = *version.recent;
      frozen.slot.keyspace = {id, record.root, record.compress_from};
    }
    frozen.slot.next_keyspace_id = version.next_id;
    frozen.slot.space_map = space_map_->root();
    frozen.slot.space_map_height = space_map_->height();
    frozen.slot.page_count = allocator_->reachable_end();
  }
  frozen.slot.log_generation = frozen.log_begin.generation;
  frozen.slot.log_position = frozen.log_begin.position.value;
  frozen.slot.log_chain_value = frozen.log_begin.chain_value;
  frozen.source = source_;
  frozen.referred_bytes = referred_bytes_at_mark_ = referred_bytes_.load();
  MutexLock lock(&state_mutex_);
  checkpoint_in_progress_.store(version.version.value);
}

// The kernel reports a failure once for each open file: of two flushes at a time, to one that need
// not be the one concerned. After the first that failed none succeeds (INV-9).
absl::Status Engine::FlushAlone(absl::FunctionRef<absl::Status()> flush) {
  MutexLock lock(&flush_mutex_);
  if (flush_error_.ok() || IsMutant(Mutant::kNoPoison)) flush_error_ = CatchBadAlloc(flush);
  return flush_error_;
}

absl::Status Engine::SyncMapping(os::Mapping& mapping, uint64_t offset, uint64_t length) {
  return FlushAlone([&] { return mapping.Sync(offset, length); });
}

std::span<const PageNumber> Engine::FrozenVersion::NodesIn(const PageRun& pages) const {
  const std::vector<PageNumber>& nodes = unflushed.nodes;
  const auto begin = std::lower_bound(nodes.begin(), nodes.end(), PageNumber(pages.first));
  const auto end = std::lower_bound(begin, nodes.end(), PageNumber(pages.first + pages.count));
  return {begin, end};
}

absl::Status Engine::Finish(const FrozenVersion& frozen) {
  const auto begin = std::chrono::steady_clock::now();
  const absl::Status status = CatchBadAlloc([&] { return WriteFrozen(frozen); });
  if (status.ok()) {
    // INV-5: only now is the log before it no longer needed.
    if (frozen.log != nullptr) frozen.log->Recycle(frozen.log_begin.position);
    referred_bytes_durable_.store(frozen.referred_bytes);
    checkpoints_.fetch_add(1, std::memory_order_relaxed);
  } else {
    Poison(status).IgnoreError();
  }
  MutexLock lock(&state_mutex_);
  checkpoint_times_.Add(std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin));
  if (status.ok()) NoteDurableSlot(frozen.slot, slot_index_ ^ 1);
  checkpoint_in_progress_.store(0);
  checkpoint_claimed_ = false;
  checkpoint_ended_.NotifyAll();
  return status.ok() ? status : poison_;
}

absl::Status Engine::WriteFrozen(const FrozenVersion& frozen) {
  page::PageSource& source = *frozen.source;
  if (IsMutant(Mutant::kSlotBeforeData)) {
    ESPALIER_RETURN_IF_ERROR(WriteSlot(frozen.slot, source));
  }
  ESPALIER_RETURN_IF_ERROR(WriteData(frozen));
  if (!IsMutant(Mutant::kSkipDataFlush)) ESPALIER_RETURN_IF_ERROR(FlushData(frozen));
  if (frozen.log != nullptr && !IsMutant(Mutant::kSlotBeforeLog)) {
    ESPALIER_RETURN_IF_ERROR(FlushMark(frozen));
  }
  return WriteSlot(frozen.slot, source);
}

// What comes before the mark in the log is not needed any more; what it refers to was flushed with
// the rest.
absl::Status Engine::FlushMark(const FrozenVersion& frozen) {
  {
    MutexLock lock(&publication_mutex_);
    std::erase_if(unflushed_runs_,
                  [&](const LoggedRun& logged) { return logged.version <= frozen.slot.version; });
  }
  return frozen.log->FlushCheckpoint(frozen.log_begin.position, frozen.log_end);
}

// What is written meanwhile, for the next version, lies elsewhere for the most part and is left
// alone. In steps: a commit that waits for the device waits for two of them and not for all, and
// the device has one while the next one gets its checksums.
absl::Status Engine::WriteData(const FrozenVersion& frozen) {
  const uint64_t step_pages = kStepBytes >> page_shift_;
  absl::Status status;
  PageRun before{0, 0};
  for (const PageRun& stretch : frozen.unflushed.stretches) {
    const uint64_t end = stretch.first + stretch.count;
    for (uint64_t first = stretch.first; first < end;) {
      const PageRun step{first, std::min(step_pages - first % step_pages, end - first)};
      first += step.count;
      const std::span<const PageNumber> nodes = frozen.NodesIn(step);
      Seal(*frozen.source, nodes);
      // After an error, too, all pages get their checksums: Verify() still looks at them.
      if (!status.ok()) continue;
      if (nodes.size() >= step.count / kPagesPerDensePage) {
        frozen.source->mapping().DropTranslations(step.first << page_shift_,
                                                  step.count << page_shift_);
      }
      status = WriteStep(frozen, step, before);
      before = step;
    }
  }
  return status;
}

// Pages that a fault replaced by zeros get the checksum of those: the flush reports the fault.
void Engine::Seal(page::PageSource& source, std::span<const PageNumber> nodes) {
  for (const PageNumber number : nodes) {
    if (IsMutant(Mutant::kSkipSealing)) return;
    page::SealPage(source.write_page(number), page_bytes(), number);
  }
}

absl::Status Engine::WriteStep(const FrozenVersion& frozen, const PageRun& step,
                               const PageRun& before) {
  ESPALIER_RETURN_IF_ERROR(FlushAlone(
      [&] { return file_.StartWriteBack(step.first << page_shift_, step.count << page_shift_); }));
  if (before.count > 0) {
    ESPALIER_RETURN_IF_ERROR(FlushAlone([&] {
      return file_.AwaitWriteBack(before.first << page_shift_, before.count << page_shift_);
    }));
  }
  if (frozen.log != nullptr) frozen.log->AwaitFlush();
  return absl::OkStatus();
}

absl::Status Engine::FlushData(const FrozenVersion& frozen) {
  for (const PageRun& stretch : frozen.unflushed.stretches) {
    ESPALIER_RETURN_IF_ERROR(SyncMapping(frozen.source->mapping(), stretch.first << page_shift_,
                                         stretch.count << page_shift_));
  }
  return absl::OkStatus();
}

// To the place of the older slot. The caller notes that it is the newer one now.
absl::Status Engine::WriteSlot(const page::CheckpointSlot& slot, page::PageSource& source) {
  uint32_t index;
  {
    MutexLock lock(&state_mutex_);
    index = slot_index_ ^ 1;
  }
  return WriteSlotAt(index, slot, source);
}

absl::Status Engine::WriteSlotAt(uint32_t index, const page::CheckpointSlot& slot,
                                 page::PageSource& source) {
  const uint64_t offset = page::kSlotOffsets[index];
  ESPALIER_RETURN_IF_ERROR(
      CatchBadAlloc([&] { return file_.WriteAt(offset, slot.Encode(superblock_.uuid, index)); }));
  if (IsMutant(Mutant::kSkipSlotFlush)) return absl::OkStatus();
  return SyncMapping(source.mapping(), offset, page::CheckpointSlot::kEncodedBytes);
}

// Before the first change, and before the first one that is logged. The slot that was found at
// opening may say that the database was closed: it is made durable, and then written again, as not
// clean and with the place where the log begins, over the older one.
absl::Status Engine::PrepareForWriting(bool logged) {
  const bool start_log = logged && log_ == nullptr;
  if (prepared_for_writing_ && !start_log) return absl::OkStatus();
  ClaimCheckpoint();
  absl::Cleanup release = [this] { ReleaseClaim(); };
  ESPALIER_RETURN_IF_ERROR(SecureFoundSlot());
  page::CheckpointSlot slot = DurableSlot();
  if (slot.sequence >= page::kMaxWrittenVersion) {
    return absl::ResourceExhaustedError(absl::StrCat(path(), ": there are no checkpoints left"));
  }
  if (start_log) {
    const absl::Status started = StartLog(slot);
    // On a full disk commits take checkpoints instead, which deleting, for one, has room for.
    if (!started.ok() && !absl::IsResourceExhausted(started)) return started;
    // The slot that refers to the log comes with the checkpoint that the first commit takes.
    if (prepared_for_writing_ && (!started.ok() || HasUnloggedChanges())) return absl::OkStatus();
  }
  ++slot.sequence;
  slot.clean = slot.clean && IsMutant(Mutant::kKeepCleanMark);
  if (const absl::Status status = WriteSlot(slot, *source_); !status.ok()) return Poison(status);
  MutexLock lock(&state_mutex_);
  NoteDurableSlot(slot, slot_index_ ^ 1);
  prepared_for_writing_ = true;
  return absl::OkStatus();
}

// The slot that was found at opening may be only cached, or not even waiting to be written, after a
// flush that failed; the name of the file likewise. Until both are durable, nothing may go that the
// state before needs: no log, no page, not the end of the file.
absl::Status Engine::SecureFoundSlot() {
  if (found_slot_is_durable_) return absl::OkStatus();
  if (!IsMutant(Mutant::kSkipFoundSlotFlush)) {
    absl::Status status;
    // A directory that may not be read cannot be flushed; whoever made the file there did so.
    if (!log_path_.empty()) status = os::SyncDirectoryOf(path());
    if (!status.ok() && !absl::IsPermissionDenied(status)) return status;
    uint32_t index;
    page::CheckpointSlot slot;
    {
      MutexLock lock(&state_mutex_);
      index = slot_index_;
      slot = slot_;
    }
    status = WriteSlotAt(index, slot, *source_);
    if (!status.ok()) return Poison(status);
  }
  found_slot_is_durable_ = true;
  return absl::OkStatus();
}

// Makes the log and lets the slot refer to its first record.
absl::Status Engine::StartLog(page::CheckpointSlot& slot) {
  absl::StatusOr<os::File> existing = os::File::Open(log_path_, os::OpenMode::kReadOnly);
  if (existing.ok()) {
    ESPALIER_ASSIGN_OR_RETURN(const std::optional<log::Header> header, log::ReadHeader(*existing));
    if (!header.has_value() || header->uuid != superblock_.uuid) {
      return absl::FailedPreconditionError(
          absl::StrCat(log_path_, ": not the log of this database; move it away"));
    }
  } else if (!absl::IsNotFound(existing.status())) {
    return existing.status();
  }
  ESPALIER_ASSIGN_OR_RETURN(
      std::shared_ptr<log::LogWriter> log,
      log::LogWriter::Create(log_path_, superblock_.uuid, options_.log_bytes, LogCallbacks()));
  ESPALIER_ASSIGN_OR_RETURN(const log::LogWriter::Appended mark,
                            log->AppendCheckpoint(slot.version));
  ESPALIER_RETURN_IF_ERROR(log->Flush(mark.end));
  slot.log_generation = mark.before.generation;
  slot.log_position = mark.before.position.value;
  slot.log_chain_value = mark.before.chain_value;
  SetLog(std::move(log));
  return absl::OkStatus();
}

void Engine::SetLog(std::shared_ptr<log::LogWriter> log) {
  checkpoint_requested_after_.reset();
  MutexLock lock(&state_mutex_);
  log_ = std::move(log);
}

std::shared_ptr<log::LogWriter> Engine::SharedLog() const {
  MutexLock lock(&state_mutex_);
  return log_;
}

// Once a slot is durable that does not refer to it, nothing needs it.
void Engine::RemoveLog() {
  if (log_ == nullptr) return;
  SetLog(nullptr);
  os::Discard(log_path_);
}

// What is at rest: two slots, either of which alone opens the database, no log, no free space.
absl::Status Engine::MakeClean() {
  ESPALIER_RETURN_IF_ERROR(CheckpointOnce(Closing::kYes).status());
  ESPALIER_RETURN_IF_ERROR(GiveSpaceBack(GiveBack::kAll, /*kept_pages=*/0));
  page::CheckpointSlot twin = DurableSlot();
  ++twin.sequence;
  if (const absl::Status status = WriteSlot(twin, *source_); !status.ok()) return Poison(status);
  {
    MutexLock lock(&state_mutex_);
    NoteDurableSlot(twin, slot_index_ ^ 1);
  }
  RemoveLog();
  return absl::OkStatus();
}

absl::Status Engine::Close() {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  LeaveBackground(&BackgroundTask::Stop);
  closed_.store(true, std::memory_order_seq_cst);
  absl::Cleanup stay_open = [this] { closed_.store(false, std::memory_order_seq_cst); };
  if (HasTransactions()) return absl::FailedPreconditionError("transactions are still open");
  absl::Status status = PoisonStatus();
  if (status.ok() && prepared_for_writing_) {
    if (IsMutant(Mutant::kRemoveLogEarly)) RemoveLog();
    status = MakeClean();
    // A full disk, for one: nothing was lost yet.
    if (!status.ok() && PoisonStatus().ok()) return status;
  }
  std::move(stay_open).Cancel();
  preparer_.Stop();
  registration_.reset();
  // Unlocks the file for whoever opens it next. The mapping stays until the handle goes.
  os::File closing = std::move(file_);
  return status;
}

}  // namespace espalier::txn
