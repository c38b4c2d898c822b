#include "engine/os/mapping.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "engine/base/concat.h"
#include "engine/base/fork_guard.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/os/error.h"
#include "engine/os/system_call.h"

namespace espalier::os {
namespace {

// A range of whole host pages.
struct HostPages {
  size_t begin;
  size_t length;
};

HostPages PagesCovering(size_t offset, size_t length) {
  const size_t page = HostPageBytes();
  const size_t begin = offset / page * page;
  return {.begin = begin, .length = (offset + length - begin + page - 1) / page * page};
}

absl::Status NoWritableView(std::string_view operation, std::string_view path) {
  return absl::FailedPreconditionError(
      Concat(operation, " '", path, "': the file is mapped read-only"));
}

}  // namespace

size_t HostPageBytes() {
  static const auto host_page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return host_page_bytes;
}

uint64_t MajorFaults() {
  rusage usage{};
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? static_cast<uint64_t>(usage.ru_majflt) : 0;
}

Mapping::Mapping(const File& file, size_t capacity_bytes)
    : path_(file.path()), capacity_bytes_(capacity_bytes), fork_generation_(ForkGeneration()) {}

absl::StatusOr<std::unique_ptr<Mapping>> Mapping::Map(const File& file, size_t reserve_bytes,
                                                      Access access, bool separate_read_view) {
  assert(reserve_bytes > 0);
  if (reserve_bytes > std::numeric_limits<size_t>::max() - HostPageBytes()) {
    return ErrnoStatus(ENOMEM, "map", file.path());
  }
  std::unique_ptr<Mapping> mapping(new Mapping(file, PagesCovering(0, reserve_bytes).length));
  mapping->shared_ = access != Access::kPrivate;
  if (access != Access::kReadOnly) {
    // Nobody reserves memory for all that could be stored to.
    const int flags = mapping->shared_ ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE;
    ESPALIER_ASSIGN_OR_RETURN(mapping->write_base_,
                              mapping->MapView(file, PROT_READ | PROT_WRITE, flags));
  }
  if (access == Access::kReadOnly || (separate_read_view && mapping->shared_)) {
    ESPALIER_ASSIGN_OR_RETURN(mapping->read_base_, mapping->MapView(file, PROT_READ, MAP_SHARED));
  } else {
    mapping->read_base_ = mapping->write_base_;
  }
  std::vector<GuardedView> views;
  if (mapping->write_base_ != nullptr) {
    views.push_back({.base = mapping->write_base_, .writable = true});
  }
  if (mapping->read_base_ != mapping->write_base_) {
    views.push_back({.base = const_cast<uint8_t*>(mapping->read_base_), .writable = false});
  }
  mapping->guard_ = FaultGuard(views, mapping->capacity_bytes_);
  return mapping;
}

absl::StatusOr<uint8_t*> Mapping::MapView(const File& file, int protection, int flags) {
  void* base = nullptr;
  const SystemCall map = {
      .kind = SystemCallKind::kMap, .path = path_, .fd = file.fd(), .length = capacity_bytes_};
  if (Observed(map, [&] {
        base = mmap(nullptr, capacity_bytes_, protection, flags, file.fd(), 0);
        return base == MAP_FAILED ? -1 : 0;
      }) == -1) {
    return ErrnoStatus(errno, "map", path_);
  }
  // INV-8: MADV_RANDOM precedes the first fault, which cannot happen before the caller gets the
  // address. Without it the kernel reads and dirties large folios: one byte stored would write
  // hundreds of KiB to the device.
  for (const int advice : {MADV_RANDOM, MADV_DONTDUMP, MADV_DONTFORK}) {
    if (advice == MADV_RANDOM && IsMutant(Mutant::kNoRandomAdvice)) continue;
    const SystemCall advise = {
        .kind = SystemCallKind::kAdvise, .path = path_, .length = capacity_bytes_};
    if (Observed(advise, [&] { return madvise(base, capacity_bytes_, advice); }) == -1) {
      const int error = errno;
      munmap(base, capacity_bytes_);
      return ErrnoStatus(error, "advise on the map of", path_);
    }
  }
  return static_cast<uint8_t*>(base);
}

Mapping::~Mapping() {
  guard_ = FaultGuard();
  // In a fork child these addresses are not mapped, or by now to something else.
  if (fork_generation_ != ForkGeneration()) return;
  if (read_base_ != nullptr && read_base_ != write_base_) {
    munmap(const_cast<uint8_t*>(read_base_), capacity_bytes_);
  }
  if (write_base_ != nullptr) munmap(write_base_, capacity_bytes_);
}

absl::Status Mapping::ExtendPrivately(size_t offset, size_t length) {
  assert(!shared_);
  uint8_t* const base = write_base_ + offset;
  const SystemCall map = {
      .kind = SystemCallKind::kMap, .path = path_, .offset = offset, .length = length};
  if (Observed(map, [&] {
        void* const mapped = mmap(base, length, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        return mapped == MAP_FAILED ? -1 : 0;
      }) == -1) {
    return ErrnoStatus(errno, "extend the private map of", path_);
  }
  for (const int advice : {MADV_DONTDUMP, MADV_DONTFORK}) {
    static_cast<void>(madvise(base, length, advice));
  }
  return absl::OkStatus();
}

absl::Status Mapping::Sync(size_t offset, size_t length) {
  if (write_base_ == nullptr || !shared_) return NoWritableView("flush the map of", path_);
  const HostPages pages = PagesCovering(offset, length);
  const SystemCall call = {.kind = SystemCallKind::kSyncMapping,
                           .path = path_,
                           .offset = pages.begin,
                           .length = pages.length,
                           .data = {write_base_ + pages.begin, pages.length}};
  if (Observed(call, [&] { return msync(write_base_ + pages.begin, pages.length, MS_SYNC); }) ==
          -1 &&
      !IsMutant(Mutant::kIgnoreFlushError)) {
    return ErrnoStatus(errno, "flush the map of", path_);
  }
  // A faulted page is no longer the file's: what was stored to it is lost, and msync does not know.
  if (faulted() && !IsMutant(Mutant::kFlushWhatFaulted)) {
    const os::FaultedRange range = FaultedRange();
    return absl::DataLossError(Concat("flush the map of '", path_, "': bytes at ", range.offset,
                                      " to ", range.offset + range.length,
                                      " could not be reached (SIGBUS)"));
  }
  return absl::OkStatus();
}

void Mapping::Advise(const uint8_t* base, size_t offset, size_t length, int advice) const {
  const HostPages pages = PagesCovering(offset, length);
  const SystemCall call = {.kind = SystemCallKind::kAdvise,
                           .path = path_,
                           .offset = pages.begin,
                           .length = pages.length};
  // Advice only: a refusal changes no outcome.
  static_cast<void>(Observed(call, [&] {
    return madvise(const_cast<uint8_t*>(base) + pages.begin, pages.length, advice);
  }));
}

void Mapping::DropTranslations(size_t offset, size_t length) {
  // Of a private mapping it would drop what was stored; likewise of what lies behind the mapping.
  if (!shared_ || write_base_ == nullptr || offset >= capacity_bytes_) return;
  Advise(write_base_, offset, std::min(length, capacity_bytes_ - offset), MADV_DONTNEED);
}

void Mapping::Prefetch(size_t offset, size_t length) const {
  Advise(read_base_, offset, length, MADV_WILLNEED);
}

Mapping::Cached Mapping::CachedFrom(size_t offset, size_t length) const {
  constexpr size_t kPagesPerCall = 64;
  const size_t page = HostPageBytes();
  const HostPages pages = PagesCovering(offset, length);
  const size_t count = pages.length / page;
  std::array<unsigned char, kPagesPerCall> in_cache;
  bool first = true;
  for (size_t begin = 0; begin < count; begin += kPagesPerCall) {
    const size_t now = std::min(count - begin, kPagesPerCall);
    if (mincore(const_cast<uint8_t*>(read_base_) + pages.begin + begin * page, now * page,
                in_cache.data()) != 0) {
      return {true, length};
    }
    if (begin == 0) first = (in_cache[0] & 1) != 0;
    for (size_t i = 0; i < now; ++i) {
      if (((in_cache[i] & 1) != 0) == first) continue;
      return {first, std::min(length, pages.begin + (begin + i) * page - offset)};
    }
  }
  return {first, length};
}

void Mapping::Separate(size_t offset, size_t length) const {
  const HostPages pages = PagesCovering(offset, length);
  // The kernel splits a folio when advised that some of it is cold, if it finds the pages mapped.
  const volatile uint8_t* const begin = read_base_ + pages.begin;
  static_cast<void>(begin[0]);
  static_cast<void>(begin[pages.length - HostPageBytes()]);
  Advise(read_base_, offset, length, MADV_COLD);
}

absl::Status Mapping::Populate(const uint8_t* base, size_t offset, size_t length, int advice,
                               std::string_view operation) const {
  const HostPages pages = PagesCovering(offset, length);
  const SystemCall call = {.kind = SystemCallKind::kPopulate,
                           .path = path_,
                           .offset = pages.begin,
                           .length = pages.length};
  if (RetryOnInterrupt([&] {
        return Observed(call, [&] {
          return madvise(const_cast<uint8_t*>(base) + pages.begin, pages.length, advice);
        });
      }) == 0) {
    return absl::OkStatus();
  }
  // The arguments being in order, EINVAL means that the kernel does not know the advice.
  return ErrnoStatus(errno == EINVAL ? ENOSYS : errno, operation, path_);
}

absl::Status Mapping::PopulateRead(size_t offset, size_t length) const {
  return Populate(read_base_, offset, length, MADV_POPULATE_READ, "read through the map of");
}

absl::Status Mapping::PopulateWrite(size_t offset, size_t length) {
  if (write_base_ == nullptr) return NoWritableView("prepare to write through the map of", path_);
  return Populate(write_base_, offset, length, MADV_POPULATE_WRITE,
                  "prepare to write through the map of");
}

absl::StatusOr<std::unique_ptr<Mapping>> MapWithFallback(const File& file, size_t wanted_bytes,
                                                         size_t minimum_bytes, Access access,
                                                         bool separate_read_view) {
  constexpr size_t kModestBytes = size_t{64} << 20;
  // Not by halves from the top: a limit in force is usually far below what is wanted.
  const size_t modest_bytes = std::max(kModestBytes, 2 * minimum_bytes);
  absl::Status refusal;
  size_t last_bytes = 0;
  for (const size_t bytes : {std::max(wanted_bytes, minimum_bytes), modest_bytes, minimum_bytes}) {
    if (last_bytes != 0 && bytes >= last_bytes) continue;
    last_bytes = bytes;
    absl::StatusOr<std::unique_ptr<Mapping>> mapping =
        Mapping::Map(file, bytes, access, separate_read_view);
    // EAGAIN (kUnavailable): the process locks all its memory and may not lock that much.
    if (mapping.ok() ||
        !(absl::IsResourceExhausted(mapping.status()) || absl::IsUnavailable(mapping.status()))) {
      return mapping;
    }
    refusal = mapping.status();
  }
  return absl::ResourceExhaustedError(
      Concat(refusal.message(), "; the process may not map the ", minimum_bytes,
             " bytes that the file needs: see RLIMIT_AS (ulimit -v)"));
}

}  // namespace espalier::os
