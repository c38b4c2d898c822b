#include "tests/fault/failing_allocations.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace espalier::testing {
namespace {

thread_local int allocations_left = 0;  // 0: none fails
thread_local bool allocation_failed = false;
std::atomic<int64_t> live_allocations{0};

void* Allocate(size_t bytes, size_t alignment) {
  if (allocations_left > 0 && --allocations_left == 0) {
    allocation_failed = true;
    return nullptr;
  }
  const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded);
  if (memory != nullptr) live_allocations.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void* AllocateOrThrow(size_t bytes, size_t alignment) {
  void* const memory = Allocate(bytes, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void Free(void* memory) {
  if (memory != nullptr) live_allocations.fetch_sub(1, std::memory_order_relaxed);
  std::free(memory);
}

constexpr size_t kDefaultAlignment = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

}  // namespace

FailingAllocation::FailingAllocation(int n) {
  allocation_failed = false;
  allocations_left = n;
}
FailingAllocation::~FailingAllocation() { allocations_left = 0; }

bool AllocationFailed() { return allocation_failed; }
int64_t LiveAllocations() { return live_allocations.load(); }

}  // namespace espalier::testing

using espalier::testing::Allocate;
using espalier::testing::AllocateOrThrow;
using espalier::testing::Free;
using espalier::testing::kDefaultAlignment;

void* operator new(size_t bytes) { return AllocateOrThrow(bytes, kDefaultAlignment); }
void* operator new[](size_t bytes) { return AllocateOrThrow(bytes, kDefaultAlignment); }
void* operator new(size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
  return Allocate(bytes, kDefaultAlignment);
}
void* operator new[](size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
  return Allocate(bytes, kDefaultAlignment);
}
void* operator new(size_t bytes, std::align_val_t alignment) {
  return AllocateOrThrow(bytes, static_cast<size_t>(alignment));
}
void* operator new[](size_t bytes, std::align_val_t alignment) {
  return AllocateOrThrow(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t /*bytes*/) noexcept { Free(memory); }
void operator delete[](void* memory, size_t /*bytes*/) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { Free(memory); }
void operator delete[](void* memory, std::align_val_t /*alignment*/) noexcept { Free(memory); }
void operator delete(void* memory, size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
  Free(memory);
}
void operator delete[](void* memory, size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
  Free(memory);
}
