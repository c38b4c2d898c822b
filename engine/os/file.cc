#include "engine/os/file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <vector>

#include "engine/base/concat.h"
#include "engine/base/fork_guard.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/os/error.h"
#include "engine/os/system_call.h"

namespace espalier::os {
namespace {

constexpr mode_t kNewFileMode = 0644;

// open(2), for a name that may come from anywhere.
absl::StatusOr<int> OpenDescriptor(SystemCallKind kind, const std::string& path, int flags) {
  const std::string_view operation = kind == SystemCallKind::kCreate ? "create" : "open";
  if (path.find('\0') != std::string::npos) return ErrnoStatus(EINVAL, operation, path);
  // O_NONBLOCK: opening a FIFO must not wait for its other end. It means nothing to regular files.
  const int fd = RetryOnInterrupt([&] {
    return Observed({.kind = kind, .path = path}, [&] {
      return open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, kNewFileMode);
    });
  });
  if (fd == -1) return ErrnoStatus(errno, operation, path);
  return fd;
}

// The end of a range, or the largest offset where that overflows; the kernel refuses such.
uint64_t EndOf(uint64_t offset, uint64_t length) {
  return length > std::numeric_limits<uint64_t>::max() - offset
             ? std::numeric_limits<uint64_t>::max()
             : offset + length;
}

// Whether the process may not have files that long. Asked before each call that grows a file,
// because the kernel answers with SIGXFSZ, which ends the process.
bool ExceedsFileSizeLimit(uint64_t end) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
         end > limit.rlim_cur;
}

}  // namespace

File::File(int fd, std::string path)
    : fd_(fd), path_(std::move(path)), fork_generation_(ForkGeneration()) {}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      identity_(other.identity_),
      locked_(std::exchange(other.locked_, false)),
      fork_generation_(other.fork_generation_),
      direct_(other.direct_) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    path_ = std::move(other.path_);
    identity_ = other.identity_;
    locked_ = std::exchange(other.locked_, false);
    fork_generation_ = other.fork_generation_;
    direct_ = other.direct_;
  }
  return *this;
}

File::~File() { Close(); }

void File::Close() {
  if (fd_ == -1) return;
  // Closing alone would leave the lock to any child that is between its fork and its exec and so
  // has copies of all descriptors. A child that closes its copy must not unlock the parent's file.
  if (locked_ && fork_generation_ == ForkGeneration()) {
    struct flock unlock = {};
    unlock.l_type = F_UNLCK;
    unlock.l_whence = SEEK_SET;
    static_cast<void>(fcntl(fd_, F_OFD_SETLK, &unlock));
  }
  // What close might report was not promised to be durable: flushes are explicit.
  close(fd_);
  fd_ = -1;
}

absl::StatusOr<File> File::Open(std::string_view path, OpenMode mode) {
  std::string name(path);
  ESPALIER_ASSIGN_OR_RETURN(
      const int fd,
      OpenDescriptor(SystemCallKind::kOpen, name, mode == OpenMode::kReadOnly ? O_RDONLY : O_RDWR));
  File file(fd, std::move(name));
  ESPALIER_RETURN_IF_ERROR(file.Identify());
  return file;
}

absl::StatusOr<File> File::CreateExclusive(std::string_view path) {
  std::string name(path);
  ESPALIER_ASSIGN_OR_RETURN(
      const int fd, OpenDescriptor(SystemCallKind::kCreate, name, O_RDWR | O_CREAT | O_EXCL));
  File file(fd, std::move(name));
  if (absl::Status status = file.Identify(); !status.ok()) {
    // Nobody but this call knows that it is there.
    static_cast<void>(Observed({.kind = SystemCallKind::kRemove, .path = file.path_},
                               [&] { return unlink(file.path_.c_str()); }));
    return status;
  }
  return file;
}

absl::StatusOr<File> File::CreateInMemory(std::string_view name) {
  std::string path = Concat("memfd:", name);
  const int fd = Observed({.kind = SystemCallKind::kCreate, .path = path},
                          [&] { return memfd_create(std::string(name).c_str(), MFD_CLOEXEC); });
  if (fd == -1) return ErrnoStatus(errno, "create", path);
  File file(fd, std::move(path));
  ESPALIER_RETURN_IF_ERROR(file.Identify());
  return file;
}

absl::StatusOr<File> File::OpenDirect() const {
  // By the descriptor: the name may be another file's by now.
  const std::string name = Concat("/proc/self/fd/", fd_);
  const int fd = RetryOnInterrupt([&] {
    return Observed({.kind = SystemCallKind::kOpen, .path = path_},
                    [&] { return open(name.c_str(), O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC); });
  });
  if (fd == -1) return ErrnoStatus(errno, "open past the page cache", path_);
  File file(fd, path_);
  file.identity_ = identity_;
  file.direct_ = true;
  return file;
}

uint64_t File::DirectAlignment() const {
  constexpr uint64_t kSectorBytes = 512;
  const SystemCall call = {.kind = SystemCallKind::kStat, .path = path_, .fd = fd_};
  struct statfs file_system;
  const bool known = Observed(call, [&] { return fstatfs(fd_, &file_system); }) == 0;
  if (known && file_system.f_type == TMPFS_MAGIC) return kSectorBytes;
  struct statx info;
  const bool told =
      Observed(call, [&] { return statx(fd_, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info); }) == 0;
  if (!told || (info.stx_mask & STATX_DIOALIGN) == 0 || info.stx_dio_offset_align == 0) {
    return kUsualDirectAlignment;
  }
  return std::max<uint64_t>(info.stx_dio_offset_align, kSectorBytes);
}

absl::Status File::Identify() {
  struct stat info;
  if (Observed({.kind = SystemCallKind::kStat, .path = path_, .fd = fd_},
               [&] { return fstat(fd_, &info); }) == -1) {
    return ErrnoStatus(errno, "stat", path_);
  }
  if (S_ISDIR(info.st_mode)) return ErrnoStatus(EISDIR, "open", path_);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(Concat("open '", path_, "': not a regular file"));
  }
  identity_ = {.device = info.st_dev, .inode = info.st_ino};
  return absl::OkStatus();
}

absl::StatusOr<FileInfo> File::Info() const {
  struct stat info;
  if (Observed({.kind = SystemCallKind::kStat, .path = path_, .fd = fd_},
               [&] { return fstat(fd_, &info); }) == -1) {
    return ErrnoStatus(errno, "stat", path_);
  }
  constexpr uint64_t kStatBlockBytes = 512;
  return FileInfo{.identity = {.device = info.st_dev, .inode = info.st_ino},
                  .size_bytes = static_cast<uint64_t>(info.st_size),
                  .names = info.st_nlink,
                  .allocated_bytes = static_cast<uint64_t>(info.st_blocks) * kStatBlockBytes};
}

absl::StatusOr<uint64_t> File::Size() const {
  ESPALIER_ASSIGN_OR_RETURN(const FileInfo info, Info());
  return info.size_bytes;
}

absl::StatusOr<size_t> File::ReadAt(uint64_t offset, std::span<uint8_t> buffer) const {
  size_t done = 0;
  while (done < buffer.size()) {
    const std::span<uint8_t> rest = buffer.subspan(done);
    const SystemCall call = {.kind = SystemCallKind::kRead,
                             .path = path_,
                             .fd = fd_,
                             .offset = offset + done,
                             .length = rest.size()};
    const ssize_t count = RetryOnInterrupt([&] {
      return Observed(call, [&] {
        return pread(fd_, rest.data(), LimitedLength(call), static_cast<off_t>(offset + done));
      });
    });
    if (count == -1) return ErrnoStatus(errno, "read", path_);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

absl::Status File::WriteAt(uint64_t offset, std::span<const uint8_t> data) {
  if (ExceedsFileSizeLimit(EndOf(offset, data.size()))) return ErrnoStatus(EFBIG, "write", path_);
  while (!data.empty()) {
    const SystemCall call = {.kind = SystemCallKind::kWrite,
                             .path = path_,
                             .fd = fd_,
                             .offset = offset,
                             .length = data.size(),
                             .data = data,
                             .durable = direct_};
    const ssize_t count = RetryOnInterrupt([&] {
      return Observed(call, [&] {
        return pwrite(fd_, data.data(), LimitedLength(call), static_cast<off_t>(offset));
      });
    });
    if (count == -1) return ErrnoStatus(errno, "write", path_);
    // The kernel does not return 0 for a write of more than 0 bytes to a regular file; a file
    // system that does must not hang us.
    if (count == 0) return ErrnoStatus(EIO, "write", path_);
    if (IsMutant(Mutant::kShortWriteIsWhole)) break;
    offset += static_cast<uint64_t>(count);
    data = data.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status File::WriteZeros(uint64_t offset, uint64_t length) {
  // Not const, or it would take room in the program: as it is never stored to, all of it is the
  // kernel's one page of zeros.
  static std::array<uint8_t, size_t{2} << 20> zeros;
  while (length > 0) {
    const std::span<const uint8_t> step =
        std::span<const uint8_t>(zeros).first(std::min<uint64_t>(zeros.size(), length));
    ESPALIER_RETURN_IF_ERROR(WriteAt(offset, step));
    offset += step.size();
    length -= step.size();
  }
  return absl::OkStatus();
}

absl::Status File::CheckGrowth(uint64_t end, std::string_view operation) const {
  if (!ExceedsFileSizeLimit(end)) return absl::OkStatus();
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t size_bytes, Size());
  return end > size_bytes ? ErrnoStatus(EFBIG, operation, path_) : absl::OkStatus();
}

absl::Status File::Truncate(uint64_t size_bytes) {
  ESPALIER_RETURN_IF_ERROR(CheckGrowth(size_bytes, "truncate"));
  const SystemCall call = {
      .kind = SystemCallKind::kTruncate, .path = path_, .fd = fd_, .offset = size_bytes};
  if (RetryOnInterrupt([&] {
        return Observed(call, [&] { return ftruncate(fd_, static_cast<off_t>(size_bytes)); });
      }) == -1) {
    return ErrnoStatus(errno, "truncate", path_);
  }
  return absl::OkStatus();
}

absl::Status File::Allocate(uint64_t offset, uint64_t length) {
  if (length == 0) return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(CheckGrowth(EndOf(offset, length), "allocate"));
  const SystemCall call = {.kind = SystemCallKind::kAllocate,
                           .path = path_,
                           .fd = fd_,
                           .offset = offset,
                           .length = length};
  if (RetryOnInterrupt([&] {
        return Observed(call, [&] {
          return fallocate(fd_, 0, static_cast<off_t>(offset), static_cast<off_t>(length));
        });
      }) == 0) {
    return absl::OkStatus();
  }
  if (errno == EOPNOTSUPP || errno == ENOSYS) return AllocateByWriting(offset, length);
  return ErrnoStatus(errno, "allocate", path_);
}

absl::Status File::AllocateByWriting(uint64_t offset, uint64_t length) {
  constexpr size_t kStepBytes = size_t{1} << 20;
  std::vector<uint8_t> buffer(std::min<uint64_t>(kStepBytes, length));
  while (length > 0) {
    const std::span<uint8_t> step(buffer.data(), std::min<uint64_t>(buffer.size(), length));
    ESPALIER_ASSIGN_OR_RETURN(const size_t present, ReadAt(offset, step));
    // Zeros may be a hole; anything else has its blocks. Block by block, so that the file system
    // keeps what is written apart from what is not.
    constexpr size_t kBlockBytes = 512;
    std::fill(step.begin() + static_cast<ptrdiff_t>(present), step.end(), uint8_t{0});
    for (size_t begin = 0; begin < step.size();) {
      const auto block_at = [&](size_t at) {
        return step.subspan(at, std::min(kBlockBytes, step.size() - at));
      };
      const auto is_zero = [](std::span<const uint8_t> block) {
        return std::all_of(block.begin(), block.end(), [](uint8_t byte) { return byte == 0; });
      };
      size_t end = begin;
      while (end < step.size() && is_zero(block_at(end))) end += block_at(end).size();
      if (end > begin) {
        ESPALIER_RETURN_IF_ERROR(WriteAt(offset + begin, step.subspan(begin, end - begin)));
        begin = end;
      } else {
        begin += block_at(begin).size();
      }
    }
    offset += step.size();
    length -= step.size();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> File::PunchHole(uint64_t offset, uint64_t length) {
  const SystemCall call = {.kind = SystemCallKind::kPunchHole,
                           .path = path_,
                           .fd = fd_,
                           .offset = offset,
                           .length = length};
  if (RetryOnInterrupt([&] {
        return Observed(call, [&] {
          return fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           static_cast<off_t>(offset), static_cast<off_t>(length));
        });
      }) == 0) {
    return true;
  }
  if (errno == EOPNOTSUPP || errno == ENOSYS) return false;
  return ErrnoStatus(errno, "punch hole in", path_);
}

absl::Status File::StartWriteBack(uint64_t offset, uint64_t length) {
  return SyncRange(SystemCallKind::kWriteBack, offset, length, SYNC_FILE_RANGE_WRITE);
}

absl::Status File::AwaitWriteBack(uint64_t offset, uint64_t length) {
  return SyncRange(SystemCallKind::kAwaitWriteBack, offset, length, SYNC_FILE_RANGE_WAIT_BEFORE);
}

absl::Status File::SyncRange(SystemCallKind kind, uint64_t offset, uint64_t length,
                             unsigned flags) {
  const SystemCall call = {
      .kind = kind, .path = path_, .fd = fd_, .offset = offset, .length = length};
  if (Observed(call,
               [&] {
                 return sync_file_range(fd_, static_cast<off_t>(offset), static_cast<off_t>(length),
                                        flags);
               }) == 0 ||
      errno == ENOSYS) {
    return absl::OkStatus();
  }
  // While it begins, memory may be short, and the pages stay dirty. What it waits for has failed.
  if (errno == ENOMEM && kind == SystemCallKind::kWriteBack) return absl::OkStatus();
  return ErrnoStatus(errno, "write back", path_);
}

absl::Status File::SyncData() {
  if (Observed({.kind = SystemCallKind::kSyncData, .path = path_, .fd = fd_},
               [&] { return fdatasync(fd_); }) == -1) {
    return ErrnoStatus(errno, "flush data of", path_);
  }
  return absl::OkStatus();
}

absl::Status File::SyncAll() {
  if (Observed({.kind = SystemCallKind::kSyncAll, .path = path_, .fd = fd_},
               [&] { return fsync(fd_); }) == -1) {
    return ErrnoStatus(errno, "flush", path_);
  }
  return absl::OkStatus();
}

absl::Status File::LockExclusive() { return Lock(F_WRLCK); }

absl::Status File::LockShared() { return Lock(F_RDLCK); }

absl::Status File::Lock(short type) {
  struct flock lock = {};
  lock.l_type = type;
  if (IsMutant(Mutant::kNoLock)) return absl::OkStatus();
  lock.l_whence = SEEK_SET;  // with l_start and l_len 0: the whole file, however it grows
  if (RetryOnInterrupt([&] {
        return Observed({.kind = SystemCallKind::kLock, .path = path_, .fd = fd_},
                        [&] { return fcntl(fd_, F_OFD_SETLK, &lock); });
      }) == 0) {
    locked_ = true;
    return absl::OkStatus();
  }
  // fcntl may say EACCES for a lock that is held.
  if (errno == EAGAIN || errno == EACCES) {
    return absl::UnavailableError(
        Concat("lock '", path_, "': in use by another process or handle"));
  }
  return ErrnoStatus(errno, "lock", path_);
}

void File::CloseInForkChild() {
  if (fd_ != -1 && !IsMutant(Mutant::kKeepLockInForkChild)) close(fd_);
  fd_ = -1;
}

}  // namespace espalier::os
