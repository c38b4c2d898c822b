// An open database: its file, its published versions, who reads them, and the one writer.
//
// Locks, in the order in which they are taken: checkpoint_mutex_, then the writer gate, then
// state_mutex_. Readers take none.
#ifndef ESPALIER_ENGINE_TXN_ENGINE_H_
#define ESPALIER_ENGINE_TXN_ENGINE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/fork_guard.h"
#include "engine/base/mutex.h"
#include "engine/base/types.h"
#include "engine/os/file.h"
#include "engine/os/open_registry.h"
#include "engine/page/checkpoint_slot.h"
#include "engine/page/format.h"
#include "engine/page/page_source.h"
#include "engine/page/superblock.h"
#include "engine/space/page_allocator.h"
#include "engine/space/space_map.h"
#include "engine/txn/catalogue.h"
#include "engine/txn/reader_table.h"
#include "engine/txn/writer_gate.h"

namespace espalier::txn {

// See api/options.h.
struct EngineOptions {
  bool create_if_missing = true;
  bool must_create = false;  // kAlreadyExists if there is a file
  bool read_only = false;
  uint32_t page_bytes = 4096;
  bool verify_checksums = true;
  bool separate_read_view = false;
  size_t address_space_bytes = 0;
};

// A committed version. Immutable.
struct VersionState {
  Version version{0};
  page::TreeRoot catalogue;
  uint64_t next_id = 0;     // for keyspaces and detached trees
  uint64_t page_limit = 0;  // pages of the file
  std::shared_ptr<page::PageSource> source;
  // What the catalogue says of the keyspace that was used last, which is nearly always the one that
  // the next transaction wants.
  std::optional<CatalogueReader::Listed> recent;
  // False if the catalogue surely has no detached trees.
  bool may_have_detached = true;

  page::PageReader reader() const { return {source.get(), version, page_limit}; }
};

class TransactionState;
class WriteState;

// True goes on, false cancels.
using ProgressFunction = std::function<bool(uint64_t done, uint64_t total)>;

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
  static void Release(Engine* engine);

  absl::StatusOr<std::shared_ptr<TransactionState>> BeginRead();
  absl::StatusOr<std::shared_ptr<WriteState>> BeginWrite(WriterGate::Deadline deadline);

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

  enum class Closing { kNo, kYes };

  // What a checkpoint flushes, frozen under the gate.
  struct FrozenVersion {
    page::CheckpointSlot slot;
    std::vector<PageNumber> unsealed;
    std::shared_ptr<page::PageSource> source;
    uint64_t file_pages = 0;
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

  // --- engine.cc: versions
  void Publish(VersionState state);
  void ReclaimPages();
  const VersionState& newest() const { return *current_.load(std::memory_order_seq_cst); }
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

  // --- engine.cc: space::BackingFile, for the allocator
  absl::Status Grow(uint64_t page_count) override;
  const page::PageSource& source() const override { return *source_; }
  absl::Status AllocateBlocks(uint64_t first_page, uint64_t count) override;
  void PrepareNew(uint64_t first_page, uint64_t count) override;
  void PrepareAgain(uint64_t first_page, uint64_t count) override;

  // --- checkpoint.cc
  absl::Status CheckpointLocked(Closing closing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(checkpoint_mutex_);
  absl::StatusOr<std::optional<FrozenVersion>> Freeze(Closing closing);
  absl::Status WriteFrozen(const FrozenVersion& frozen);
  absl::Status WriteSlot(const page::CheckpointSlot& slot, page::PageSource& source);
  absl::Status PrepareForWriting();
  absl::Status GiveSpaceBack(bool all_of_the_tail);

  const uint64_t instance_;
  const EngineOptions options_;
  const uint32_t fork_generation_;
  const std::string path_;
  os::File file_;
  std::optional<os::OpenFileRegistration> registration_;
  page::Superblock superblock_;
  uint32_t page_shift_ = 0;

  ReaderTable readers_;
  std::atomic<const VersionState*> current_{nullptr};
  std::atomic<bool> closed_{false};
  std::atomic<bool> released_{false};
  std::atomic<uint64_t> commits_{0};
  std::atomic<uint64_t> checkpoints_{0};
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
  // No version below this one is made: after an unclean end, versions that were lost may have left
  // pages behind, and their numbers are not given out again.
  Version first_new_version_{0};

  // --- Changed with the gate, and by checkpoints with checkpoint_mutex_ as well
  Mutex checkpoint_mutex_;
  page::CheckpointSlot slot_;  // the newest durable one
  uint32_t slot_index_ = 0;    // where it lies
  std::optional<Version> checkpoint_in_progress_;

  mutable Mutex state_mutex_;
  absl::Status poison_ ABSL_GUARDED_BY(state_mutex_);
  EngineStats space_stats_ ABSL_GUARDED_BY(state_mutex_);  // only the parts that need the gate
  std::atomic<bool> poisoned_{false};

  // Last: it refers to the members above.
  std::optional<ForkHook> fork_hook_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_ENGINE_H_
