// An open database: its file, its log, its versions, who reads them, and the one writer.
//
// A version is *applied* once its transaction has changed the trees and appended its record to the
// log; it is *published*, and readers can see it, once it is as durable as its transaction wants
// it. Writers build on the newest applied one.
//
// Locks, in the order in which they are taken: the writer gate, then the claim to be the one that
// takes a checkpoint, then mutexes. Who has the claim never waits for the gate. Readers take none.
#ifndef ESPALIER_ENGINE_TXN_ENGINE_H_
#define ESPALIER_ENGINE_TXN_ENGINE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/fork_guard.h"
#include "engine/base/latency_histogram.h"
#include "engine/base/mutex.h"
#include "engine/base/types.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_writer.h"
#include "engine/log/redo.h"
#include "engine/os/file.h"
#include "engine/os/file_reader.h"
#include "engine/os/open_registry.h"
#include "engine/page/checkpoint_slot.h"
#include "engine/page/format.h"
#include "engine/page/page_source.h"
#include "engine/page/superblock.h"
#include "engine/space/page_allocator.h"
#include "engine/space/space_map.h"
#include "engine/txn/background_task.h"
#include "engine/txn/catalogue.h"
#include "engine/txn/page_preparer.h"
#include "engine/txn/reader_table.h"
#include "engine/txn/writer_gate.h"

namespace espalier::txn {

// True goes on, false cancels.
using ProgressFunction = std::function<bool(uint64_t done, uint64_t total)>;

// See api/options.h.
enum class Durability { kSync, kAsync, kCheckpoint };

// See api/options.h.
struct EngineOptions {
  bool create_if_missing = true;
  bool must_create = false;  // kAlreadyExists if there is a file
  bool read_only = false;
  uint32_t page_bytes = 4096;
  bool verify_checksums = true;
  bool separate_read_view = false;
  size_t address_space_bytes = 0;
  Durability durability = Durability::kSync;
  uint64_t log_bytes = uint64_t{180} << 20;
  ProgressFunction recovery_progress;
};

// A committed version. Immutable.
struct VersionState {
  Version version{0};
  page::TreeRoot catalogue;
  uint64_t next_id = 0;     // for keyspaces and detached trees
  uint64_t page_limit = 0;  // pages of the file
  std::shared_ptr<page::PageSource> source;
  // The keyspace that was used last, which is nearly always the one that the next transaction
  // wants.
  struct Recent {
    uint64_t id;
    KeyspaceRecord record;
    bool unrecorded;  // the catalogue has an older record
  };
  std::optional<Recent> recent;
  // False if the catalogue surely has no detached trees.
  bool may_have_detached = true;

  page::PageReader reader() const { return {source.get(), version, page_limit}; }
};

class BatchQueue;
class FoundPages;
class TransactionState;
class WriteState;

struct VerifyResult {
  uint64_t pages = 0;
  uint64_t leaf_pages = 0;
  uint64_t inner_pages = 0;
  uint64_t large_value_pages = 0;
  uint64_t space_map_pages = 0;
  uint64_t free_pages = 0;
  uint64_t waiting_pages = 0;
  uint64_t entries = 0;
  uint64_t used_bytes = 0;
  uint64_t log_bytes = 0;
  uint64_t log_transactions = 0;
  std::vector<std::string> problems;
};

struct EngineStats {
  uint64_t page_bytes = 0;
  uint64_t file_bytes = 0;
  Version newest_version;
  Version checkpoint_version;
  uint64_t reachable_pages = 0;
  uint64_t waiting_pages = 0;
  uint64_t free_pages = 0;
  uint64_t reserved_pages = 0;
  uint64_t commits = 0;
  uint64_t checkpoints = 0;
  uint64_t mapped_bytes = 0;
  uint64_t log_limit_bytes = 0;
  uint64_t log_used_bytes = 0;
  uint64_t log_waits = 0;
  uint64_t recovered_transactions = 0;
  LatencyHistogram log_flushes;
  LatencyHistogram checkpoint_times;
  std::vector<ReaderTable::Reader> readers;
  std::vector<std::pair<Version, uint64_t>> waiting;  // pages by the version they wait on
};

// Thread-safe, apart from Close() and Release().
class Engine final : private space::BackingFile {
 public:
  static absl::StatusOr<Engine*> Open(const std::string& path, const EngineOptions& options);
  static absl::StatusOr<Engine*> OpenInMemory(const EngineOptions& options);

  // See Database::Close.
  absl::Status Close();
  // Gives the engine up: it goes now, or with its last transaction.
  static void Release(Engine* engine) noexcept;

  absl::StatusOr<std::shared_ptr<TransactionState>> BeginRead();
  absl::StatusOr<std::shared_ptr<WriteState>> BeginWrite(WriterGate::Deadline deadline,
                                                         Durability durability);

  // Commits operations as in the log (engine/log/redo.h), together with those of other threads.
  absl::StatusOr<Version> Write(std::span<const uint8_t> operations, Durability durability);

  // Returns once the version that some commit made is durable.
  absl::Status WaitDurable(Version version);
  absl::Status Checkpoint();
  absl::Status Compact(const ProgressFunction& progress);
  absl::StatusOr<VerifyResult> Verify(const ProgressFunction& progress);
  absl::StatusOr<EngineStats> Stats();

  // Tells databases apart within a process; never 0.
  uint64_t instance() const { return instance_; }
  uint32_t page_bytes() const { return superblock_.page_bytes; }
  const std::string& path() const { return path_; }
  const EngineOptions& options() const { return options_; }
  uint64_t file_bytes() const { return file_pages_.load() * page_bytes(); }

  // OK unless the handle was closed or this is a fork child.
  absl::Status CheckUsable() const;

 private:
  friend class TransactionState;
  friend class WriteState;
  friend class Compactor;
  friend class Verifier;
  friend class BatchQueue;

  enum class Closing { kNo, kYes };

  // To replay so many bytes of leaves that a record refers to takes as long as one of the log.
  static constexpr uint64_t kLeafBytesPerLogByte = 4;

  // So many large values are flushed one by one before the record that refers to them. For more of
  // them it takes fewer flushes to write everything.
  static constexpr size_t kMaxRunsPerFlush = 8;

  // Far more versions than a process can have made since its last checkpoint; odd in its lower
  // half, so that the tags of child references differ as well.
  static constexpr uint64_t kLostVersions = (uint64_t{1} << 32) + 40503;

  // What a checkpoint flushes, frozen under the gate.
  struct FrozenVersion {
    page::CheckpointSlot slot;
    space::Unflushed unflushed;
    std::shared_ptr<page::PageSource> source;
    std::shared_ptr<log::LogWriter> log;  // null: the slot refers to none
    log::LogPlace log_begin;              // the record that the slot refers to
    LogPosition log_end{0};               // behind it
    uint64_t referred_bytes = 0;

    std::span<const PageNumber> NodesIn(const PageRun& pages) const;  // of unflushed.nodes
  };

  Engine(os::File file, const EngineOptions& options);
  ~Engine() override;

  // --- open.cc
  // A file of this process alone: registered, and, if it was just created, locked.
  struct OpenedFile {
    os::File file;
    os::OpenFileRegistration registration;
  };
  static absl::StatusOr<OpenedFile> OpenFile(const std::string& path, const EngineOptions& options);
  static absl::StatusOr<OpenedFile> OpenExisting(const std::string& path, os::OpenMode mode);
  static absl::StatusOr<OpenedFile> CreateFile(const std::string& path,
                                               const EngineOptions& options);
  static absl::Status WriteFreshDatabase(os::File& file, const EngineOptions& options);
  absl::Status Load();
  absl::StatusOr<page::CheckpointSlot> ChooseSlot(uint64_t file_bytes);
  bool HasSlotOfAnyDatabase() const;
  absl::StatusOr<std::shared_ptr<page::PageSource>> MapFile(uint64_t minimum_pages,
                                                            size_t wanted_bytes);

  // --- recovery.cc
  absl::Status Recover(const page::CheckpointSlot& slot);
  absl::Status DoWithoutFullLog();
  bool IsMostlyCached() const;
  absl::StatusOr<bool> WithholdRuns(std::span<const uint8_t> redo_payload, Version version,
                                    FoundPages& found);
  absl::Status Replay(const os::File& log_file, uint64_t ring_bytes, const log::LogPlace& start,
                      LogPosition end, os::ReadFrom from);
  // kDataLoss if the log has transactions that came after the clean slot: then there was a newer
  // slot.
  absl::Status CheckNothingFollows(const page::CheckpointSlot& slot) const;

  // --- engine.cc: versions
  // Gets the memory that applying a version needs; Apply() itself cannot fail.
  void PrepareApply();
  const VersionState& Apply(std::unique_ptr<VersionState> state) noexcept;
  // Everything applied is published, its log flushed. With the gate.
  absl::Status PublishApplied();
  void Publish(const VersionState& state);
  void PublishUpTo(Version version);
  void PublishLater(const VersionState& state);
  // Of those that only who has the gate adds.
  bool HasUnpublished() const { return unpublished_count_.load(std::memory_order_acquire) > 0; }
  log::LogWriter::Callbacks LogCallbacks();
  void NoteLoggedRuns(const std::vector<PageRun>& runs, Version version);
  absl::Status FlushLoggedRuns();
  absl::Status FlushUnflushedRuns() ABSL_EXCLUSIVE_LOCKS_REQUIRED(run_flush_mutex_);
  absl::Status FlushLog(log::LogWriter& log, LogPosition end);
  void ReclaimPages();
  void DecideAboutFreedPages();
  // With the gate, or it may go away meanwhile.
  const VersionState& published() const { return *current_.load(std::memory_order_seq_cst); }
  const VersionState& applied() const { return *versions_.back(); }
  void NoteSpaceStats();
  // kDataLoss if a store of the running transaction went to a mapping that faulted before it was
  // outgrown.
  absl::Status OutgrownStatus() const;
  absl::Status Poison(const absl::Status& status);
  absl::Status PoisonStatus() const;
  // At the end of a transaction: with `slot` null the writer's.
  void EndTransaction(ReaderSlot* slot);
  bool HasTransactions() const;
  uint64_t WaitingPages();
  std::shared_ptr<WriteState> MakeWriteState(Durability durability);
  bool HasLogSpace(const log::LogWriter& log) const;
  absl::Status WaitForLogSpace(WriterGate::Deadline deadline);
  // With the gate.
  void RequestCheckpointIfDue(const log::LogWriter::Appended& appended);

  // --- backing_file.cc: space::BackingFile, for the allocator
  absl::Status Grow(uint64_t page_count) override;
  absl::Status GrowFile(uint64_t page_count);
  const page::PageSource& source() const override { return *source_; }
  absl::Status AllocateBlocks(uint64_t first_page, uint64_t count) override;
  void PrepareNew(uint64_t first_page, uint64_t count) override;
  void PrepareNewAhead(uint64_t first_page, uint64_t count) override;
  bool FinishAhead() override;
  void PrepareAgain(uint64_t first_page, uint64_t count) override;
  Cached CachedFrom(uint64_t first_page, uint64_t count) const override;
  void Separate(uint64_t first_page, uint64_t count) override;
  void Prepare(const PageRun& pages, os::Mapping& mapping);

  // --- checkpoint.cc
  // The claim to be the one that takes a checkpoint. ClaimCheckpoint() is called with the gate and
  // waits for a checkpoint that is running; ClaimWithGate() comes with the gate, too.
  void ClaimCheckpoint();
  // False if `give_up` is set while it waits for the gate.
  bool ClaimWithGate(const std::atomic<bool>* give_up = nullptr);
  void ReleaseClaim();
  // kCancelled if `give_up` is set while it waits for the gate.
  absl::Status TakeCheckpoint(const std::atomic<bool>* give_up);
  // Returns the number of nodes that it made durable.
  absl::StatusOr<uint64_t> CheckpointOnce(Closing closing,
                                          const std::atomic<bool>* give_up = nullptr);
  void CheckpointInBackground();
  // Stops or, for ever, retires the background. A checkpoint that is being written goes on to its
  // end; one that waits for the gate gives up: who has that may be waiting for this.
  void LeaveBackground(void (BackgroundTask::*leave)());
  // Both with the gate and the claim.
  absl::StatusOr<std::optional<FrozenVersion>> Freeze(Closing closing);
  absl::Status RewriteSpaceMap(Version version, FrozenVersion& frozen,
                               absl::FunctionRef<absl::Status()> finish);
  absl::Status MarkLog(Version version, FrozenVersion& frozen);
  void FreezeApplied(bool unchanged, Closing closing, FrozenVersion& frozen);
  // With the claim, which it gives back.
  absl::Status Finish(const FrozenVersion& frozen);
  absl::Status WriteFrozen(const FrozenVersion& frozen);
  absl::Status FlushAlone(absl::FunctionRef<absl::Status()> flush);
  absl::Status SyncMapping(os::Mapping& mapping, uint64_t offset, uint64_t length);
  absl::Status WriteData(const FrozenVersion& frozen);
  void Seal(page::PageSource& source, std::span<const PageNumber> nodes);
  absl::Status WriteStep(const FrozenVersion& frozen, const PageRun& step, const PageRun& before);
  absl::Status FlushData(const FrozenVersion& frozen);
  absl::Status FlushMark(const FrozenVersion& frozen);
  absl::Status WriteSlot(const page::CheckpointSlot& slot, page::PageSource& source);
  absl::Status WriteSlotAt(uint32_t index, const page::CheckpointSlot& slot,
                           page::PageSource& source);
  absl::Status SecureFoundSlot();
  page::CheckpointSlot DurableSlot() const;
  // The version of it, without the mutex.
  Version DurableVersion() const { return Version(durable_version_.load()); }
  void NoteDurableSlot(const page::CheckpointSlot& slot, uint32_t index)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  bool HasUnloggedChanges() const { return unlogged_version_ > DurableVersion(); }
  absl::Status PrepareForWriting(bool logged);
  absl::Status StartLog(page::CheckpointSlot& slot);
  void SetLog(std::shared_ptr<log::LogWriter> log);
  std::shared_ptr<log::LogWriter> SharedLog() const;  // without the gate
  void RemoveLog();
  absl::Status MakeClean();

  // --- give_back.cc
  enum class GiveBack { kLarge, kAll };
  // About `kept_pages` free pages stay with the file.
  absl::Status GiveSpaceBack(GiveBack what, uint64_t kept_pages);
  void CutTail(GiveBack what, uint64_t kept_pages);
  void PunchHoles(GiveBack what, uint64_t kept_pages);

  const uint64_t instance_;
  const EngineOptions options_;
  const uint32_t fork_generation_;
  const std::string path_;
  std::string log_path_;  // empty for a database in memory
  os::File file_;
  std::optional<os::OpenFileRegistration> registration_;
  page::Superblock superblock_;
  uint32_t page_shift_ = 0;
  // kPrivate: what the log has beyond the file's last checkpoint is there for this handle only.
  os::Access access_ = os::Access::kReadWrite;

  ReaderTable readers_;
  std::atomic<const VersionState*> current_{nullptr};
  std::atomic<uint64_t> published_version_{0};
  std::atomic<bool> closed_{false};
  std::atomic<bool> released_{false};
  std::atomic<uint64_t> commits_{0};
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<uint64_t> log_waits_{0};
  // Of the log that was found when the database was opened.
  uint64_t recovered_transactions_ = 0;
  uint64_t recovered_bytes_ = 0;
  uint64_t recovered_ring_bytes_ = 0;
  std::atomic<uint64_t> file_pages_{0};

  // --- With the writer gate
  WriterGate gate_;
  std::shared_ptr<page::PageSource> source_;
  // Mappings that the running transaction has outgrown.
  std::vector<std::shared_ptr<page::PageSource>> outgrown_;
  std::optional<space::PageAllocator> allocator_;
  std::optional<space::SpaceMap> space_map_;
  // Versions that may still be read, oldest first; the last one is the newest.
  std::vector<std::unique_ptr<VersionState>> versions_;
  ReaderTable::Scan scan_;
  bool prepared_for_writing_ = false;
  bool found_slot_is_durable_ = false;
  // All that was free at opening is without disk blocks.
  bool holes_are_known_ = true;
  // The newest version with changes that the log does not have. Nothing that builds on it may be
  // logged before a checkpoint has made it durable.
  Version unlogged_version_{0};
  // No version below this one is made: after an unclean end, versions that were lost may have left
  // pages behind, and their numbers are not given out again.
  Version first_new_version_{0};

  // Handles of keyspaces outlive the transaction that made them, if it is dropped as well: ids are
  // given out once. At least this one is the next.
  uint64_t next_keyspace_id_ = 0;

  // Changed with the gate and the mutex: who has either may look.
  std::shared_ptr<log::LogWriter> log_;
  // Bytes of leaves that records have referred to since the database was opened; up to the newest
  // checkpoint, and up to the durable one.
  std::atomic<uint64_t> referred_bytes_{0};
  uint64_t referred_bytes_at_mark_ = 0;
  std::atomic<uint64_t> referred_bytes_durable_{0};
  // The checkpoint in it that the next one was requested after.
  std::optional<LogPosition> checkpoint_requested_after_;
  // The memory of a writer's operations, handed on from one to the next.
  log::RedoBuffer spare_redo_;

  // Applied and not published yet, oldest first.
  mutable Mutex publication_mutex_;
  std::vector<const VersionState*> unpublished_ ABSL_GUARDED_BY(publication_mutex_);
  std::atomic<size_t> unpublished_count_{0};
  Version publishable_version_ ABSL_GUARDED_BY(publication_mutex_){0};
  // Large values and leaves that records in the log refer to and that are not flushed yet.
  struct LoggedRun {
    PageRun run;
    Version version;
  };
  std::vector<LoggedRun> unflushed_runs_ ABSL_GUARDED_BY(publication_mutex_);
  std::shared_ptr<page::PageSource> runs_source_ ABSL_GUARDED_BY(publication_mutex_);

  // Before the one below: a log's flush, which flushes runs.
  Mutex run_flush_mutex_;
  absl::Status run_flush_error_ ABSL_GUARDED_BY(run_flush_mutex_);  // the first (INV-9)

  // Of the file, log excepted.
  Mutex flush_mutex_;
  absl::Status flush_error_ ABSL_GUARDED_BY(flush_mutex_);

  mutable Mutex state_mutex_;
  CondVar checkpoint_ended_;
  bool checkpoint_claimed_ ABSL_GUARDED_BY(state_mutex_) = false;
  // Its version, or 0. Changed with the mutex.
  std::atomic<uint64_t> checkpoint_in_progress_{0};
  page::CheckpointSlot slot_ ABSL_GUARDED_BY(state_mutex_);  // the newest durable one
  uint32_t slot_index_ ABSL_GUARDED_BY(state_mutex_) = 0;    // where it lies
  std::atomic<uint64_t> durable_version_{0};                 // of slot_
  LatencyHistogram checkpoint_times_ ABSL_GUARDED_BY(state_mutex_);
  uint64_t background_runs_ ABSL_GUARDED_BY(state_mutex_) = 0;
  absl::Status background_status_ ABSL_GUARDED_BY(state_mutex_);  // of the last one
  absl::Status poison_ ABSL_GUARDED_BY(state_mutex_);
  EngineStats space_stats_ ABSL_GUARDED_BY(state_mutex_);  // only the parts that need the gate
  std::atomic<bool> poisoned_{false};

  std::unique_ptr<BatchQueue> batches_;
  const absl::Status no_memory_ = absl::ResourceExhaustedError("no memory for a checkpoint");

  PagePreparer preparer_;
  // Somebody waits for the background to stop. What was asked of it may be left undone.
  std::atomic<bool> leaving_background_{false};
  std::atomic<bool> ask_background_again_{false};
  // Takes the checkpoints that the log asks for. After what these use.
  BackgroundTask background_;

  // Last: it refers to the members above.
  std::optional<ForkHook> fork_hook_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_ENGINE_H_
