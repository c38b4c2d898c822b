#include "tests/filesystems/write_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace espalier::testing {
namespace {

constexpr uint64_t kMagic = 0x6a736677736872;
constexpr off_t kEntriesOffset = 16;
constexpr uint64_t kFlush = 1;
constexpr uint64_t kForceUnitAccess = 2;
constexpr uint64_t kDiscard = 4;
// Linux's unit, whatever the log's sectors are.
constexpr uint64_t kUnitBytes = 512;

struct Superblock {
  uint64_t magic;
  uint64_t version;
  uint64_t entries;
  uint32_t sector_bytes;
};

struct Entry {
  uint64_t sector;
  uint64_t sectors;
  uint64_t flags;
  uint64_t data_length;
};

[[noreturn]] void Die(const std::string& path, const char* what) {
  std::fprintf(stderr, "%s: %s\n", path.c_str(), what);
  std::abort();
}

}  // namespace

WriteLog::WriteLog(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd == -1 || fstat(fd, &info) != 0) Die(path, "cannot be read");
  size_bytes_ = static_cast<size_t>(info.st_size);
  void* const memory = mmap(nullptr, size_bytes_, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (memory == MAP_FAILED) Die(path, "cannot be mapped");
  data_ = static_cast<const uint8_t*>(memory);
  Superblock super;
  std::memcpy(&super, data_, sizeof super);
  if (super.magic != kMagic || super.version != 1 || super.sector_bytes != kUnitBytes) {
    Die(path, "is no log of writes");
  }
  uint64_t at = kUnitBytes;
  for (uint64_t i = 0; i < super.entries; ++i) {
    if (at + kUnitBytes > size_bytes_) Die(path, "ends too early");
    Entry entry;
    std::memcpy(&entry, data_ + at, sizeof entry);
    at += kUnitBytes;
    const uint64_t length = entry.sectors * kUnitBytes;
    // A loop device makes two requests of it.
    if ((entry.flags & kForceUnitAccess) != 0) Die(path, "has a write that is a flush, too");
    const bool discard = (entry.flags & kDiscard) != 0;
    entries_.push_back({.flush = (entry.flags & kFlush) != 0,
                        .offset = entry.sector * kUnitBytes,
                        .length = length,
                        .bytes = discard ? nullptr : data_ + at});
    if (discard) continue;
    if (length > size_bytes_ - at) Die(path, "ends too early");
    at += length;
  }
}

WriteLog::~WriteLog() { munmap(const_cast<uint8_t*>(data_), size_bytes_); }

uint64_t WriteLog::EntriesSoFar(int fd) {
  uint64_t entries = 0;
  if (pread(fd, &entries, sizeof entries, kEntriesOffset) != sizeof entries) {
    Die("the log of writes", "cannot be read");
  }
  return entries;
}

}  // namespace espalier::testing
