// The seam for fault tests: an observer that sees every system call that engine/os makes on files
// and maps, and may make it fail. With no observer set, this costs one load per call.
//
//   class FailNth : public os::SystemCallObserver {
//     int BeforeCall(const os::SystemCall& call) override { return --left_ == 0 ? EIO : 0; }
//     os::ScopedSystemCallObserver observing_{this};
//   };
//
// Each call to the kernel is reported by itself, so that a write that the kernel takes in two parts
// is seen twice. Stores to a mapping are not system calls and are not seen; their flushes are.

#ifndef ESPALIER_ENGINE_OS_FAULT_INJECTION_H_
#define ESPALIER_ENGINE_OS_FAULT_INJECTION_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

namespace espalier::os {

enum class SystemCallKind {
  kOpen,            // open an existing file, or a directory to flush it
  kCreate,          // open with O_CREAT | O_EXCL, or memfd_create
  kStat,            // fstat
  kRead,            // pread
  kWrite,           // pwrite
  kTruncate,        // ftruncate
  kAllocate,        // fallocate
  kPunchHole,       // fallocate(FALLOC_FL_PUNCH_HOLE)
  kWriteBack,       // sync_file_range that begins to write
  kAwaitWriteBack,  // and one that waits for that
  kSyncData,        // fdatasync
  kSyncAll,         // fsync, of a file or a directory
  kLock,            // fcntl(F_OFD_SETLK)
  kRename,          // renameat2(RENAME_NOREPLACE), or rename
  kLink,            // link
  kRemove,          // unlink
  kResolve,         // realpath
  kMap,             // mmap
  kAdvise,          // madvise that only gives advice
  kPopulate,        // madvise(MADV_POPULATE_READ or _WRITE)
  kSyncMapping,     // msync(MS_SYNC)
};

// One call. What does not apply to its kind is empty, 0 or -1.
struct SystemCall {
  SystemCallKind kind;
  std::string_view path;
  std::string_view second_path = {};  // kRename, kLink: the new name
  int fd = -1;
  uint64_t offset = 0;
  uint64_t length = 0;  // kTruncate: `offset` is the new size, `length` is 0
  // kWrite: the bytes to write. kSyncMapping: the mapped bytes to flush, through the writable view;
  // those past the end of the file must not be touched.
  std::span<const uint8_t> data = {};
  // kWrite: once it has returned 0, the bytes are durable, as after a flush (O_DSYNC).
  bool durable = false;
};

// Called in the thread that makes the call, from any number of threads at once.
class SystemCallObserver {
 public:
  virtual ~SystemCallObserver() = default;

  // 0: go on with the call. An errno: do not make the call, behave as if it had failed so.
  virtual int BeforeCall(const SystemCall& /*call*/) { return 0; }

  // kRead, kWrite: of how many bytes the kernel is asked at most, between 1 and call.length. Less
  // is a short read or write, after which the rest follows as a call of its own.
  virtual uint64_t LimitLength(const SystemCall& call) { return call.length; }

  // Follows each BeforeCall; `result_errno` is 0 or what the call failed with, injected or real.
  virtual void AfterCall(const SystemCall& /*call*/, int /*result_errno*/) {}
};

namespace fault_injection_internal {
inline std::atomic<SystemCallObserver*> observer{nullptr};
}  // namespace fault_injection_internal

// While it lives, `observer` sees all calls of this process: one at a time. It begins and ends
// while no other thread is inside the engine. An observer may have it as its last member.
class ScopedSystemCallObserver {
 public:
  explicit ScopedSystemCallObserver(SystemCallObserver* observer) {
    fault_injection_internal::observer.store(observer, std::memory_order_release);
  }
  ~ScopedSystemCallObserver() {
    fault_injection_internal::observer.store(nullptr, std::memory_order_release);
  }
  ScopedSystemCallObserver(const ScopedSystemCallObserver&) = delete;
  ScopedSystemCallObserver& operator=(const ScopedSystemCallObserver&) = delete;
};

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_FAULT_INJECTION_H_
