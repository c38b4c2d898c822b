// A file by its descriptor: sized and positioned reads and writes, allocation, flushes, locks.
//
// Every error is an absl::Status whose message names the operation, the path and errno
// (engine/os/error.h has the table of codes). All descriptors are O_CLOEXEC. Offsets, sizes and
// lengths are in bytes.
//
//   ESPALIER_ASSIGN_OR_RETURN(os::File file, os::File::Open(path, os::OpenMode::kReadWrite));
//   ESPALIER_RETURN_IF_ERROR(file.LockExclusive());
//
// Calls on one File may run in several threads at once, except moving, destruction and those that
// say otherwise.

#ifndef ESPALIER_ENGINE_OS_FILE_H_
#define ESPALIER_ENGINE_OS_FILE_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::os {

enum class SystemCallKind;

enum class OpenMode { kReadOnly, kReadWrite };

// Which file this is, whatever its names.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;

  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

struct FileInfo {
  FileIdentity identity;
  uint64_t size_bytes = 0;
  uint64_t names = 0;            // directory entries; 0 for a memfd
  uint64_t allocated_bytes = 0;  // disk space in use; below the size where the file has holes
};

class File {
 public:
  // Opens an existing regular file. kNotFound, kPermissionDenied, or kInvalidArgument for a
  // directory
  // ("is a directory") and whatever else is no regular file; never waits for the other end of a
  // FIFO.
  static absl::StatusOr<File> Open(std::string_view path, OpenMode mode);

  // Creates a new file, mode 0644 less the umask, open for reading and writing. kAlreadyExists if
  // there is anything of that name, be it a dangling symbolic link.
  static absl::StatusOr<File> CreateExclusive(std::string_view path);

  // A file without a directory entry that lives in memory (memfd) until its last descriptor and
  // mapping are gone. `name` is for people only; path() becomes "memfd:NAME".
  static absl::StatusOr<File> CreateInMemory(std::string_view name);

  // Another opening of the same file, for reading and writing past the page cache, on which WriteAt
  // returns once the bytes survive power loss (O_DIRECT, O_DSYNC): on a device that knows forced
  // unit access, one command instead of a write and a flush. Offsets and lengths must be multiples
  // of DirectAlignment(), addresses of 4096. Pages of the range that are cached are
  // written and dropped first. kInvalidArgument or kUnimplemented where the file system cannot do
  // that.
  absl::StatusOr<File> OpenDirect() const;
  // 512 or more; kUsualDirectAlignment where the file system does not tell.
  uint64_t DirectAlignment() const;
  static constexpr uint64_t kUsualDirectAlignment = 4096;

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  absl::StatusOr<uint64_t> Size() const;
  absl::StatusOr<FileInfo> Info() const;

  // Reads until `buffer` is full or the file ends; returns the number of bytes read.
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<uint8_t> buffer) const;

  // Writes all of `data`, or fails having written any part of it. A store through a shared mapping
  // and this see each other at once.
  absl::Status WriteAt(uint64_t offset, std::span<const uint8_t> data);

  // Writes zeros, which become large folios of the page cache where the file system has such.
  absl::Status WriteZeros(uint64_t offset, uint64_t length);

  // Sets the size. What is added reads as zeros and has no disk blocks.
  absl::Status Truncate(uint64_t size_bytes);

  // Gives the range disk blocks (INV-6) and the file at least the size offset + length. No byte
  // that exists changes; what is added reads as zeros. kResourceExhausted if the disk is full: part
  // of the range may then have its blocks and the file may have grown; Truncate gives that back.
  // Where the file system has no fallocate, zeros are written wherever the file reads as zeros:
  // nobody may store to the range meanwhile.
  absl::Status Allocate(uint64_t offset, uint64_t length);

  // Begins to write the range's dirty pages to the device; the other waits for what is on its way.
  // Not a flush: the device may lose them, the file its knowledge of them, and where memory is
  // short nothing is begun. But less is left for a flush to do. Their errors are those of a flush
  // (INV-9).
  absl::Status StartWriteBack(uint64_t offset, uint64_t length);
  absl::Status AwaitWriteBack(uint64_t offset, uint64_t length);

  // Gives the range's whole blocks back to the file system; it reads as zeros, the size stays.
  // False if the file system cannot.
  absl::StatusOr<bool> PunchHole(uint64_t offset, uint64_t length);

  // Returns OK once everything written or stored so far, and the size, survives power loss
  // (fdatasync); SyncAll includes all metadata (fsync). Never retried inside, not even on EINTR:
  // the kernel may report a failed flush only once (INV-9).
  absl::Status SyncData();
  absl::Status SyncAll();

  // Locks the whole file against every other opening of it, in this and other processes (an OFD
  // lock), until this File is destroyed or the other kind of lock replaces it. If the process dies,
  // the lock lasts as long as a fork child keeps its copy of the descriptor: see CloseInForkChild.
  // Never waits: kUnavailable if another one holds it. LockExclusive needs kReadWrite.
  absl::Status LockExclusive();
  absl::Status LockShared();

  // As found at opening.
  FileIdentity Identity() const { return identity_; }

  // The name for messages; set_path after a rename. Not while other threads use this File.
  const std::string& path() const { return path_; }
  void set_path(std::string path) { path_ = std::move(path); }

  // -1 after a move and CloseInForkChild.
  int fd() const { return fd_; }

  // Closes the child's copy of the descriptor and leaves the parent's lock alone.
  // Async-signal-safe, for ForkHook callbacks only; afterwards all calls fail.
  void CloseInForkChild();

 private:
  absl::Status SyncRange(SystemCallKind kind, uint64_t offset, uint64_t length, unsigned flags);
  File(int fd, std::string path);

  // Learns identity_; kInvalidArgument unless this is a regular file.
  absl::Status Identify();
  absl::Status Lock(short type);
  void Close();
  // kResourceExhausted if the file would grow to `end` past RLIMIT_FSIZE.
  absl::Status CheckGrowth(uint64_t end, std::string_view operation) const;
  absl::Status AllocateByWriting(uint64_t offset, uint64_t length);

  int fd_ = -1;
  std::string path_;
  FileIdentity identity_;
  // Whether there is a lock to release, and the process that may do so.
  bool locked_ = false;
  uint32_t fork_generation_ = 0;
  bool direct_ = false;
};

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_FILE_H_
