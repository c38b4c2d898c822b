#include "tests/crash/store_witness.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>

namespace espalier::testing {
namespace {

// Debian 12's headers are older than these (linux/userfaultfd.h, linux/fs.h of Linux 6.7).
constexpr uint64_t kFeatureUnpopulated = uint64_t{1} << 13;
constexpr uint64_t kFeatureAsync = uint64_t{1} << 15;
constexpr uint64_t kFeatures =
    UFFD_FEATURE_WP_HUGETLBFS_SHMEM | kFeatureUnpopulated | kFeatureAsync;

struct ScanArgument {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t regions;
  uint64_t region_count;
  uint64_t max_pages;
  uint64_t inverted;
  uint64_t all_of;
  uint64_t any_of;
  uint64_t returned;
};
struct ScanRegion {
  uint64_t begin;
  uint64_t end;
  uint64_t categories;
};
constexpr unsigned long kScan = _IOWR('f', 16, ScanArgument);
constexpr uint64_t kProtectMatching = 1;
constexpr uint64_t kCheckAsync = 2;
constexpr uint64_t kWritten = 2;

[[noreturn]] void Die(const char* what) {
  perror(what);
  std::abort();
}

// -1 and errno without the kernel's support.
int OpenFaultFd() {
  const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
  if (fd == -1) return -1;
  uffdio_api api = {.api = UFFD_API, .features = kFeatures, .ioctls = 0};
  if (ioctl(fd, UFFDIO_API, &api) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

StoreWitness::StoreWitness()
    : fault_fd_(OpenFaultFd()), pagemap_fd_(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)) {
  if (fault_fd_ == -1 || pagemap_fd_ == -1) Die("userfaultfd or pagemap");
}

StoreWitness::~StoreWitness() {
  close(fault_fd_);
  close(pagemap_fd_);
}

std::string StoreWitness::Unavailable() {
  const int fault_fd = OpenFaultFd();
  if (fault_fd == -1) {
    return std::string("no asynchronous write protection (userfaultfd, Linux 6.7): ") +
           strerror(errno);
  }
  close(fault_fd);
  const int pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  ScanArgument nothing = {};
  nothing.size = sizeof nothing;
  const bool known = ioctl(pagemap_fd, kScan, &nothing) == 0 || errno != ENOTTY;
  close(pagemap_fd);
  return known ? "" : "no PAGEMAP_SCAN (Linux 6.7)";
}

// The recorder knows the bytes of a direct write while it is under way.
int StoreWitness::BeforeCall(const os::SystemCall& call) {
  Scan();
  NoteCall(call);
  return 0;
}

// A new mapping is protected before anybody has its address.
void StoreWitness::AfterCall(const os::SystemCall& call, int /*result_errno*/) {
  Scan();
  NoteCall(call);
}

void StoreWitness::NoteCall(const os::SystemCall& call) {
  uint64_t end = call.offset + call.length;
  switch (call.kind) {
    case os::SystemCallKind::kTruncate:
      end = std::numeric_limits<uint64_t>::max() - kImageBlockBytes;
      break;
    case os::SystemCallKind::kWrite:
    case os::SystemCallKind::kPunchHole:
      break;
    default:
      return;
  }
  struct stat info;
  if (fstat(call.fd, &info) != 0) Die("fstat");
  files_[info.st_ino].called.push_back(
      {call.offset / kImageBlockBytes, (end + kImageBlockBytes - 1) / kImageBlockBytes});
}

std::vector<StoreWitness::View> StoreWitness::Views() const {
  std::vector<View> views;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    View view{};
    std::array<char, 5> access{};
    uint64_t number = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64,
                    &view.begin, &view.end, access.data(), &view.file_offset, &number) != 5) {
      continue;
    }
    view.file = number;
    if (access[1] == 'w' && access[3] == 's' && line.find(directory_ + "/") != line.npos) {
      views.push_back(view);
    }
  }
  return views;
}

void StoreWitness::Protect(const View& view) {
  uffdio_register registration = {};
  registration.range = {.start = view.begin, .len = view.end - view.begin};
  registration.mode = UFFDIO_REGISTER_MODE_WP;
  if (ioctl(fault_fd_, UFFDIO_REGISTER, &registration) != 0) Die("UFFDIO_REGISTER");
  uffdio_writeprotect protection = {};
  protection.range = registration.range;
  protection.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  if (ioctl(fault_fd_, UFFDIO_WRITEPROTECT, &protection) != 0) Die("UFFDIO_WRITEPROTECT");
}

void StoreWitness::Scan() {
  for (const View& view : Views()) ScanView(view);
}

// Notes the pages and protects them again, in one step.
void StoreWitness::ScanView(const View& view) {
  WatchedFile& file = files_[view.file];
  std::array<ScanRegion, 256> regions;
  ScanArgument scan = {};
  scan.size = sizeof scan;
  scan.flags = kProtectMatching | kCheckAsync;
  scan.start = view.begin;
  scan.end = view.end;
  scan.regions = reinterpret_cast<uint64_t>(regions.data());
  scan.region_count = regions.size();
  scan.all_of = kWritten;
  scan.returned = kWritten;
  while (scan.start < scan.end) {
    const int count = ioctl(pagemap_fd_, kScan, &scan);
    if (count == -1 && errno == EPERM) return Protect(view);
    if (count == -1) Die("PAGEMAP_SCAN");
    for (int i = 0; i < count; ++i) {
      const ScanRegion& region = regions[static_cast<size_t>(i)];
      for (uint64_t at = region.begin; at < region.end; at += kImageBlockBytes) {
        file.stored.insert((at - view.begin + view.file_offset) / kImageBlockBytes);
      }
    }
    scan.start = scan.walk_end;
  }
}

void StoreWitness::Look(const RecordedDisk& disk) {
  ++counts_.looks;
  Scan();
  std::set<FileNumber> known;
  for (const auto& [name, id] : disk.names()) {
    struct stat info;
    if (stat((directory_ + "/" + name).c_str(), &info) != 0) Die("stat");
    known.insert(info.st_ino);
    LookAt(name, disk.file(id).latest(), files_[info.st_ino]);
  }
  for (const auto& [number, file] : files_) {
    if (known.contains(number) || file.stored.empty()) continue;
    Problem("a store to a file that the recorder does not have", std::to_string(number),
            *file.stored.begin());
  }
  std::erase_if(files_, [&](const auto& file) { return !known.contains(file.first); });
}

void StoreWitness::LookAt(const std::string& name, const FileImage& latest, WatchedFile& file) {
  CompareChanged(name, latest, file);
  CompareStored(name, latest, file);
  file.seen = latest;
  file.is_new = false;
  file.stored.clear();
  file.called.clear();
}

// What was written before the first look is in no image to compare with.
void StoreWitness::CompareChanged(const std::string& name, const FileImage& latest,
                                  const WatchedFile& file) {
  if (file.is_new) return;
  for (uint64_t page = 0; page < std::max(latest.blocks(), file.seen.blocks()); ++page) {
    const uint8_t* const before = file.seen.BlockAt(page);
    const uint8_t* const after = latest.BlockAt(page);
    if (before == after || std::memcmp(before, after, kImageBlockBytes) == 0) continue;
    ++counts_.changed;
    if (file.stored.contains(page) || file.later.contains(page)) continue;
    ++counts_.by_call;
    const bool called = std::ranges::any_of(file.called, [&](const PageRange& range) {
      return range.begin <= page && page < range.end;
    });
    if (!called) Problem("a change that nobody made", name, page);
  }
}

void StoreWitness::CompareStored(const std::string& name, const FileImage& latest,
                                 WatchedFile& file) {
  counts_.stored += file.stored.size();
  Pages compared = file.stored;
  compared.merge(std::exchange(file.later, {}));
  const int fd = open((directory_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd == -1) Die("open");
  for (const uint64_t page : compared) {
    std::array<uint8_t, kImageBlockBytes> bytes{};
    // Behind the end of the file: nothing, as in the image.
    if (pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(page * kImageBlockBytes)) == -1) {
      Die("pread");
    }
    if (std::memcmp(bytes.data(), latest.BlockAt(page), bytes.size()) == 0) continue;
    if (!file.stored.contains(page)) {
      Problem("a store that the recorder did not see", name, page);
    } else {
      file.later.insert(page);
      ++counts_.later;
    }
  }
  close(fd);
}

void StoreWitness::Problem(std::string_view what, const std::string& name, uint64_t page) {
  if (!problem_.empty()) return;
  problem_ = std::string(what) + ": page " + std::to_string(page) + " of " + name + ", look " +
             std::to_string(counts_.looks);
}

}  // namespace espalier::testing
