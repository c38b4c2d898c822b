// Beginning and ending transactions, publishing versions. The other parts of Engine: open.cc,
// backing_file.cc, recovery.cc, commit.cc, checkpoint.cc, give_back.cc, compact.cc, verify.cc.
#include "engine/txn/engine.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/txn/batch_queue.h"
#include "engine/txn/transaction_state.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {
namespace {

std::atomic<uint64_t> next_instance{1};

// Orders the giving back of last slots against each other, once the handle is gone.
Mutex& ReleaseMutex() {
  static Mutex* const mutex = new Mutex;
  return *mutex;
}

}  // namespace

Engine::Engine(os::File file, const EngineOptions& options)
    : instance_(next_instance.fetch_add(1)),
      options_(options),
      fork_generation_(ForkGeneration()),
      path_(file.path()),
      file_(std::move(file)),
      gate_([this] { batches_->Hurry(); }),
      batches_(std::make_unique<BatchQueue>(this)),
      preparer_([this](const PageRun& pages, os::Mapping& mapping) { Prepare(pages, mapping); }),
      background_([this] { CheckpointInBackground(); }) {
  fork_hook_.emplace([this] { file_.CloseInForkChild(); });
}

Engine::~Engine() = default;

absl::Status Engine::CheckUsable() const {
  if (ForkGeneration() != fork_generation_) {
    return absl::FailedPreconditionError(
        "the database was opened before a fork; the child must open it anew");
  }
  if (closed_.load(std::memory_order_acquire)) {
    return absl::FailedPreconditionError("the database is closed");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<TransactionState>> Engine::BeginRead() {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  auto transaction = std::make_shared<TransactionState>(this);
  ReaderSlot* const slot = readers_.Acquire();
  const VersionState* const state = current_.load(std::memory_order_seq_cst);
  readers_.Publish(slot, state->version);
  transaction->BeginReading(slot, *state);
  // Close() may have begun between the check above and the slot.
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  return transaction;
}

std::shared_ptr<WriteState> Engine::MakeWriteState(Durability durability) {
  const Version version(std::max(applied().version.value + 1, first_new_version_.value));
  auto transaction = std::make_shared<WriteState>(this, applied(), version, durability);
  allocator_->Begin(version);
  return transaction;
}

absl::StatusOr<std::shared_ptr<WriteState>> Engine::BeginWrite(WriterGate::Deadline deadline,
                                                               Durability durability) {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  if (options_.read_only) {
    return absl::FailedPreconditionError(absl::StrCat(path(), ": opened for reading only"));
  }
  // In memory there is nothing that a log could save.
  if (log_path_.empty()) durability = Durability::kCheckpoint;
  const bool logged = durability != Durability::kCheckpoint;
  while (true) {
    if (!gate_.Enter(deadline)) {
      return absl::DeadlineExceededError("another write transaction is open");
    }
    if (!logged || log_ == nullptr || HasLogSpace(*log_)) break;
    // For the checkpoint, which needs the gate.
    gate_.Leave();
    ESPALIER_RETURN_IF_ERROR(WaitForLogSpace(deadline));
  }
  absl::Cleanup leave = [this] { gate_.Leave(); };
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  ESPALIER_RETURN_IF_ERROR(PoisonStatus());
  ESPALIER_RETURN_IF_ERROR(PrepareForWriting(logged));
  if (applied().version.value >= page::kMaxWrittenVersion) {
    return absl::ResourceExhaustedError(absl::StrCat(path(), ": there are no versions left"));
  }
  std::shared_ptr<WriteState> transaction = MakeWriteState(durability);
  std::move(leave).Cancel();
  return transaction;
}

absl::StatusOr<Version> Engine::Write(std::span<const uint8_t> operations, Durability durability) {
  // In a fork child some thread of the parent may seem to lead a group.
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  return batches_->Write(operations, durability);
}

void Engine::PrepareApply() {
  if (versions_.size() == versions_.capacity()) {
    const size_t larger = 2 * versions_.size() + 8;
    {
      MutexLock lock(&publication_mutex_);
      unpublished_.reserve(larger);
    }
    versions_.reserve(larger);
  }
  allocator_->PrepareCommit();
}

const VersionState& Engine::Apply(std::unique_ptr<VersionState> state) noexcept {
  versions_.push_back(std::move(state));
  return *versions_.back();
}

void Engine::Publish(const VersionState& state) {
  current_.store(&state, std::memory_order_seq_cst);
  published_version_.store(state.version.value, std::memory_order_release);
}

// All versions that there are up to this one are durable. Its writer may be still on its way to
// PublishLater(): others' flushes take what is in the log.
void Engine::PublishUpTo(Version version) {
  MutexLock lock(&publication_mutex_);
  publishable_version_ = std::max(publishable_version_, version);
  const auto end =
      std::find_if(unpublished_.begin(), unpublished_.end(),
                   [&](const VersionState* state) { return state->version > version; });
  if (end == unpublished_.begin()) return;
  Publish(**(end - 1));
  unpublished_.erase(unpublished_.begin(), end);
  unpublished_count_.store(unpublished_.size(), std::memory_order_release);
}

void Engine::PublishLater(const VersionState& state) {
  MutexLock lock(&publication_mutex_);
  if (state.version <= publishable_version_) return Publish(state);
  unpublished_.push_back(&state);
  unpublished_count_.store(unpublished_.size(), std::memory_order_release);
}

log::LogWriter::Callbacks Engine::LogCallbacks() {
  return {.on_durable = [this](Version version) { PublishUpTo(version); },
          .before_flush = [this] { return FlushLoggedRuns(); }};
}

void Engine::NoteLoggedRuns(const std::vector<PageRun>& runs, Version version) {
  if (runs.empty()) return;
  MutexLock lock(&publication_mutex_);
  // All of them, or none where there is no memory.
  const size_t needed = unflushed_runs_.size() + runs.size();
  if (needed > unflushed_runs_.capacity()) {
    unflushed_runs_.reserve(std::max(needed, 2 * unflushed_runs_.size()));
  }
  for (const PageRun& run : runs) unflushed_runs_.push_back({run, version});
  runs_source_ = source_;
}

// One at a time, to the end: while a log is replaced by another, each of them may have a flush
// under way, and what one takes here the other need not. What one could not flush, none
// acknowledges.
absl::Status Engine::FlushLoggedRuns() {
  MutexLock flush(&run_flush_mutex_);
  if (run_flush_error_.ok() || IsMutant(Mutant::kForgetRunError)) {
    run_flush_error_ = FlushUnflushedRuns();
  }
  return run_flush_error_;
}

absl::Status Engine::FlushUnflushedRuns() {
  std::vector<LoggedRun> runs;
  std::shared_ptr<page::PageSource> source;
  {
    MutexLock lock(&publication_mutex_);
    runs.swap(unflushed_runs_);
    source.swap(runs_source_);
  }
  if (runs.size() > kMaxRunsPerFlush) {
    uint64_t end = 0;
    for (const auto& [run, version] : runs) end = std::max(end, run.first + run.count);
    return SyncMapping(source->mapping(), 0, end << page_shift_);
  }
  for (const auto& [run, version] : runs) {
    ESPALIER_RETURN_IF_ERROR(
        SyncMapping(source->mapping(), run.first << page_shift_, run.count << page_shift_));
  }
  return absl::OkStatus();
}

absl::Status Engine::FlushLog(log::LogWriter& log, LogPosition end) {
  const absl::Status status = log.Flush(end);
  return status.ok() ? status : Poison(status);
}

absl::Status Engine::PublishApplied() {
  return HasUnpublished() ? FlushLog(*log_, log_->end()) : absl::OkStatus();
}

// The writer's fence between publishing and this scan: whoever published did so with a sequentially
// consistent store, and what is published is read before the scan.
void Engine::ReclaimPages() {
  try {
    DecideAboutFreedPages();
  } catch (const std::bad_alloc&) {
    // The next time, then.
  }
}

void Engine::DecideAboutFreedPages() {
  const Version published_version = published().version;
  readers_.ScanInto(scan_);
  if (IsMutant(Mutant::kReusePinnedPages)) scan_.versions.clear();
  if (scan_.undecided) return;  // a reader is just choosing its version: next time
  std::erase_if(versions_, [&](const std::unique_ptr<VersionState>& state) {
    return state->version < published_version &&
           !std::binary_search(scan_.versions.begin(), scan_.versions.end(), state->version);
  });
  std::vector<Version>& versions = scan_.versions;
  const auto protect = [&](Version version) {
    const auto at = std::lower_bound(versions.begin(), versions.end(), version);
    if (at == versions.end() || *at != version) versions.insert(at, version);
  };
  // Any of those that are applied can come to be the published one.
  for (auto state = versions_.rbegin();
       state != versions_.rend() && (*state)->version >= published_version; ++state) {
    protect((*state)->version);
  }
  // In this order: a checkpoint that ends meanwhile makes its version the durable one before it is
  // no longer in progress.
  const Version frozen(checkpoint_in_progress_.load());
  const Version durable = DurableVersion();
  if (frozen != Version(0) && !IsMutant(Mutant::kReuseFrozenPages)) protect(frozen);
  if (!IsMutant(Mutant::kReuseDurablePages)) protect(durable);
  allocator_->Reclaim(versions, durable);
}

// Leaves that the log refers to count as well. Without the gate: they may be some more by now.
bool Engine::HasLogSpace(const log::LogWriter& log) const {
  const uint64_t durable = referred_bytes_durable_.load();
  return log.HasRoom((referred_bytes_.load() - durable) / kLeafBytesPerLogByte);
}

// A transaction may need as much as is ever logged at once.
absl::Status Engine::WaitForLogSpace(WriterGate::Deadline deadline) {
  while (true) {
    const std::shared_ptr<log::LogWriter> log = SharedLog();
    if (log == nullptr || HasLogSpace(*log)) return absl::OkStatus();
    ESPALIER_RETURN_IF_ERROR(CheckUsable());
    ESPALIER_RETURN_IF_ERROR(PoisonStatus());
    uint64_t run;
    bool running;
    {
      MutexLock lock(&state_mutex_);
      run = background_runs_;
      running = checkpoint_in_progress_.load() != 0;
    }
    log_waits_.fetch_add(1, std::memory_order_relaxed);
    if (!running && !background_.Request()) CheckpointInBackground();
    MutexLock lock(&state_mutex_);
    while (background_runs_ == run && (!running || checkpoint_in_progress_.load() != 0)) {
      if (!deadline.has_value()) {
        checkpoint_ended_.Wait(&state_mutex_);
      } else if (!checkpoint_ended_.WaitUntil(&state_mutex_, *deadline)) {
        return absl::DeadlineExceededError("the log is full until a checkpoint is taken");
      }
    }
    if (background_runs_ != run) ESPALIER_RETURN_IF_ERROR(background_status_);
  }
}

// Once for what follows a checkpoint in the log, whether or not that one has ended by then.
void Engine::RequestCheckpointIfDue(const log::LogWriter::Appended& appended) {
  const LogPosition newest = appended.newest_checkpoint;
  const uint64_t bytes = appended.end.value - newest.value +
                         (referred_bytes_.load() - referred_bytes_at_mark_) / kLeafBytesPerLogByte;
  if (bytes < log_->ring_bytes() / 3 * 2) return;
  const bool again = ask_background_again_.exchange(false);
  if (std::exchange(checkpoint_requested_after_, newest) == newest && !again) return;
  // Whoever waits for room does without.
  static_cast<void>(background_.Request());
}

absl::Status Engine::WaitDurable(Version version) {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  if (version.value > published_version_.load(std::memory_order_acquire)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path(), ": version ", version.value, " was not committed yet"));
  }
  if (log_path_.empty() || version <= DurableVersion()) return absl::OkStatus();
  if (IsMutant(Mutant::kDoNotWaitDurable)) return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(PoisonStatus());
  const std::shared_ptr<log::LogWriter> log = SharedLog();
  // The mark of a checkpoint that is being taken does not make its version durable yet.
  if (log == nullptr || log->logged_until() < version) return Checkpoint();
  return FlushLog(*log, log->end());
}

absl::Status Engine::Poison(const absl::Status& status) {
  if (IsMutant(Mutant::kNoPoison)) return status;
  MutexLock lock(&state_mutex_);
  if (poison_.ok()) {
    poison_ = status;
    poisoned_.store(true, std::memory_order_release);
    try {
      poison_ = absl::Status(
          status.code(),
          absl::StrCat(
              "a flush failed; it is unknown what the disk holds of what was being committed, "
              "reopen the database: ",
              status.message()));
    } catch (const std::bad_alloc&) {
      // Then without these words.
    }
  }
  return poison_;
}

absl::Status Engine::PoisonStatus() const {
  if (!poisoned_.load(std::memory_order_acquire)) return absl::OkStatus();
  MutexLock lock(&state_mutex_);
  return poison_;
}

bool Engine::HasTransactions() const { return gate_.occupied() || readers_.HasReaders(); }

void Engine::EndTransaction(ReaderSlot* slot) {
  // With its slot given back, a transaction must not touch the engine any more: the handle may go
  // at once. So it asks before whether it is the one to clean up after the handle.
  if (slot != nullptr) {
    readers_.BeginRelease(slot);
    if (!released_.load(std::memory_order_seq_cst)) {
      readers_.Release(slot);
      return;
    }
    // Whoever holds the mutex below must not wait for this one.
    readers_.DelayRelease(slot);
  } else if (gate_.LeaveUnless(released_)) {
    return;
  }
  bool last;
  {
    MutexLock lock(&ReleaseMutex());
    if (slot != nullptr) {
      readers_.Release(slot);
    } else {
      gate_.Leave();
    }
    last = !HasTransactions();
  }
  if (last) delete this;
}

void Engine::Release(Engine* engine) noexcept {
  if (ForkGeneration() != engine->fork_generation_) return;  // the parent's; its memory is a copy
  engine->LeaveBackground(&BackgroundTask::Retire);
  try {
    if (!engine->closed_.load() && !engine->HasTransactions()) engine->Close().IgnoreError();
  } catch (const std::bad_alloc&) {
    // As after a crash, then: the log has what the file has not.
  }
  bool last;
  {
    MutexLock lock(&ReleaseMutex());
    engine->released_.store(true, std::memory_order_seq_cst);
    last = !engine->HasTransactions();
  }
  if (last) delete engine;
}

absl::Status Engine::OutgrownStatus() const {
  for (const std::shared_ptr<page::PageSource>& source : outgrown_) {
    if (source->faulted()) return source->FaultStatus();
  }
  return absl::OkStatus();
}

void Engine::NoteSpaceStats() {
  MutexLock lock(&state_mutex_);
  space_stats_.reachable_pages = allocator_->reachable_pages();
  space_stats_.waiting_pages = allocator_->waiting_pages();
  space_stats_.free_pages = allocator_->free_pages();
  space_stats_.reserved_pages = allocator_->reserved_pages();
  space_stats_.file_bytes = file_bytes();
  space_stats_.waiting = allocator_->WaitingPages();
  space_stats_.mapped_bytes = source_->mapping().capacity_bytes();
}

absl::StatusOr<EngineStats> Engine::Stats() {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  // What only the writer may look at comes from the last time that nobody wrote.
  if (gate_.Enter(std::chrono::steady_clock::time_point::min())) {
    absl::Cleanup leave = [this] { gate_.Leave(); };
    ReclaimPages();
    NoteSpaceStats();
  }
  EngineStats stats;
  {
    MutexLock lock(&state_mutex_);
    stats = space_stats_;
    stats.checkpoint_version = slot_.version;
    stats.checkpoint_times = checkpoint_times_;
  }
  if (options_.read_only) {
    stats.log_limit_bytes = recovered_ring_bytes_;
    stats.log_used_bytes = recovered_bytes_;
  }
  if (const std::shared_ptr<log::LogWriter> log = SharedLog(); log != nullptr) {
    stats.log_limit_bytes = log->ring_bytes();
    stats.log_used_bytes = log->used_bytes();
    stats.log_flushes = log->flush_latency();
  }
  stats.log_waits = log_waits_.load();
  stats.recovered_transactions = recovered_transactions_;
  stats.page_bytes = page_bytes();
  stats.newest_version = Version(published_version_.load(std::memory_order_acquire));
  stats.commits = commits_.load();
  stats.checkpoints = checkpoints_.load();
  stats.readers = readers_.Readers();
  return stats;
}

}  // namespace espalier::txn
