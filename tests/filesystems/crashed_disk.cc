#include "tests/filesystems/crashed_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

namespace espalier::testing {
namespace {

[[noreturn]] void Die(const char* what) {
  perror(what);
  std::abort();
}

int OpenOrDie(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd == -1) Die(path.c_str());
  return fd;
}

void WriteOrDie(int fd, const uint8_t* bytes, uint64_t length, uint64_t offset) {
  while (length > 0) {
    const ssize_t count = pwrite(fd, bytes, length, static_cast<off_t>(offset));
    if (count <= 0) Die("pwrite");
    bytes += count;
    offset += static_cast<uint64_t>(count);
    length -= static_cast<uint64_t>(count);
  }
}

void CopyRange(int from, int to, off_t begin, off_t end) {
  off_t out = begin;
  while (begin < end) {
    if (copy_file_range(from, &begin, to, &out, static_cast<size_t>(end - begin), 0) <= 0) {
      Die("copy_file_range");
    }
  }
}

}  // namespace

CrashedDisk::CrashedDisk(const std::string& start, const std::string& image, uint32_t sector_bytes)
    : image_(image),
      sector_bytes_(sector_bytes),
      durable_fd_(OpenOrDie(start, O_RDWR)),
      image_fd_(OpenOrDie(image, O_RDWR | O_CREAT)) {}

CrashedDisk::~CrashedDisk() {
  close(durable_fd_);
  close(image_fd_);
}

void CrashedDisk::ForEachCrash(const std::vector<LogEntry>& entries, size_t samples,
                               std::mt19937_64& random,
                               const std::function<bool(const Crash& crash)>& look) {
  uint64_t begin = 0;
  for (uint64_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].flush) continue;
    const Epoch epoch = Epoch(entries).subspan(begin, i + 1 - begin);
    if (!LookAtSamples(epoch, begin, samples, random, look)) return;
    for (const LogEntry& entry : epoch) Apply(entry, durable_fd_);
    begin = i + 1;
    CopyDurable();
    if (!look({.entries = begin, .sampled = false, .image = image_})) return;
  }
}

bool CrashedDisk::LookAtSamples(Epoch epoch, uint64_t first_entry, size_t samples,
                                std::mt19937_64& random,
                                const std::function<bool(const Crash& crash)>& look) {
  if (epoch.size() == 1) return true;
  using Written = std::vector<std::pair<uint64_t, uint64_t>>;
  std::set<Written> seen;
  for (size_t i = 0; i < samples; ++i) {
    // The device had been given only so many of the epoch's writes, and not the flush.
    const uint64_t given = 1 + random() % (epoch.size() - 1);
    const std::vector<LogEntry> reached = Sample(epoch.first(given), random);
    Written written;
    for (const LogEntry& entry : reached) written.emplace_back(entry.offset, entry.length);
    if (!seen.insert(std::move(written)).second) continue;
    CopyDurable();
    for (const LogEntry& entry : reached) Apply(entry, image_fd_);
    if (!look({.entries = first_entry + given, .sampled = true, .image = image_})) return false;
  }
  return true;
}

// Each of the writes has reached the disk, or not, or any of its sectors has; of some images most
// have, of others few.
std::vector<LogEntry> CrashedDisk::Sample(Epoch epoch, std::mt19937_64& random) const {
  const uint64_t whole_percent = random() % 91;
  const uint64_t torn_percent = random() % 20;
  std::vector<LogEntry> reached;
  for (const LogEntry& entry : epoch) {
    const uint64_t fate = random() % 100;
    if (fate < whole_percent) {
      reached.push_back(entry);
    } else if (fate < whole_percent + torn_percent) {
      for (uint64_t at = 0; at < entry.length; at += sector_bytes_) {
        if (random() % 2 == 0) continue;
        reached.push_back({.flush = false,
                           .offset = entry.offset + at,
                           .length = std::min<uint64_t>(sector_bytes_, entry.length - at),
                           .bytes = entry.bytes == nullptr ? nullptr : entry.bytes + at});
      }
    }
  }
  return reached;
}

// Holes stay holes: most of the disk is empty.
void CrashedDisk::CopyDurable() const {
  struct stat info;
  if (fstat(durable_fd_, &info) != 0 || ftruncate(image_fd_, 0) != 0 ||
      ftruncate(image_fd_, info.st_size) != 0) {
    Die("ftruncate");
  }
  for (off_t end = 0;;) {
    const off_t begin = lseek(durable_fd_, end, SEEK_DATA);
    if (begin == -1 && errno == ENXIO) return;
    end = lseek(durable_fd_, begin, SEEK_HOLE);
    if (begin == -1 || end == -1) Die("lseek");
    CopyRange(durable_fd_, image_fd_, begin, end);
  }
}

void CrashedDisk::Apply(const LogEntry& entry, int fd) {
  if (entry.length == 0) return;
  if (entry.bytes != nullptr) return WriteOrDie(fd, entry.bytes, entry.length, entry.offset);
  if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(entry.offset),
                static_cast<off_t>(entry.length)) != 0) {
    Die("fallocate");
  }
}

}  // namespace espalier::testing
