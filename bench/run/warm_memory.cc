#include "bench/run/warm_memory.h"

#include <sys/mman.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <chrono>

namespace espalier::bench {
namespace {

constexpr size_t kStepBytes = size_t{32} << 20;
constexpr size_t kWantedBytes = size_t{3} << 30;
// Free from the start of a supply, so that the engine need not wait for the next look.
constexpr size_t kSlackBytes = size_t{128} << 20;
constexpr auto kInterval = std::chrono::milliseconds(20);

size_t FreeBytes() {
  struct sysinfo info {};
  return sysinfo(&info) == 0 ? size_t{info.freeram} * info.mem_unit : 0;
}

}  // namespace

WarmMemory::WarmMemory() {
  if (FreeBytes() < 4 * kWantedBytes) return;
  void* memory =
      mmap(nullptr, kWantedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  memory_ = static_cast<uint8_t*>(memory);
  bytes_ = kWantedBytes;
  // In large pieces, as it shall be given; and it is none of the workers' business.
  madvise(memory_, bytes_, MADV_HUGEPAGE);
  madvise(memory_, bytes_, MADV_DONTFORK);
  Touch(0, bytes_);
}

WarmMemory::~WarmMemory() {
  StopSupply();
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

void WarmMemory::StartSupply() {
  if (memory_ == nullptr || supplier_.has_value()) return;
  supplying_ = true;
  supplier_.emplace([this] { Supply(); });
}

void WarmMemory::StopSupply() {
  if (!supplier_.has_value()) return;
  supplying_ = false;
  supplier_->join();
  supplier_.reset();
  Touch(0, given_);
  given_ = 0;
}

void WarmMemory::Supply() {
  const size_t level = FreeBytes() + kSlackBytes;
  while (supplying_ && given_ < bytes_) {
    const size_t free = FreeBytes();
    if (free < level) Give(level - free);
    std::this_thread::sleep_for(kInterval);
  }
}

void WarmMemory::Give(size_t bytes) {
  const size_t steps = (bytes + kStepBytes - 1) / kStepBytes;
  const size_t give = std::min(steps * kStepBytes, bytes_ - given_);
  madvise(memory_ + given_, give, MADV_DONTNEED);
  given_ += give;
}

void WarmMemory::Touch(size_t begin, size_t end) {
  constexpr size_t kPageBytes = 4096;
  for (size_t at = begin; at < end; at += kPageBytes) {
    static_cast<volatile uint8_t*>(memory_)[at] = 1;
  }
}

}  // namespace espalier::bench
