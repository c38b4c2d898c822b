// Bad pages under a mapping without a signal: a process-wide SIGBUS handler that covers the
// engine's mappings and leaves all else to whoever handled SIGBUS before.
//
// A fault inside a guarded range (the file was truncated, the device failed, the disk is full)
// first marks the guard as faulted, then puts a page of zeros over the faulting host page, and the
// access goes on as if it had read zeros; checksums turn those into kDataLoss. After some ten
// thousand scattered faults in one range, all of the view that faulted becomes zeros. Any other
// SIGBUS goes to the handler that was installed before the first guard, or takes the default
// action. The handler is installed once, with the first guard, and stays.
//
// What the embedding program must know: a handler that it installs later must pass on faults that
// are not its own, and a thread that blocks SIGBUS is killed by the kernel at such a fault.

#ifndef ESPALIER_ENGINE_OS_SIGBUS_H_
#define ESPALIER_ENGINE_OS_SIGBUS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace espalier::os {

// A range of a file, in bytes from its start.
struct FaultedRange {
  size_t offset = 0;
  size_t length = 0;
};

// A mapped view of the file's first bytes.
struct GuardedView {
  uint8_t* base = nullptr;
  bool writable = false;
};

namespace sigbus_internal {
struct Entry;
}  // namespace sigbus_internal

// Guards one or two views of one file for as long as it lives. faulted() is thread-safe. Destroy it
// before the views are unmapped: when the destructor has returned, no handler will touch them. In a
// fork child, where the views do not exist, a guard of the parent guards nothing and releases
// nothing.
class FaultGuard {
 public:
  FaultGuard() = default;  // guards nothing
  // `views` has one or two elements, each mapped over `length` bytes, a multiple of the host page.
  FaultGuard(std::span<const GuardedView> views, size_t length);
  FaultGuard(FaultGuard&& other) noexcept;
  FaultGuard& operator=(FaultGuard&& other) noexcept;
  ~FaultGuard();

  // True once an access to a view has faulted. Set before the zeros can be seen.
  bool faulted() const { return faulted_->load(std::memory_order_relaxed); }

  // The smallest range that covers all faults so far; length 0 if there were none.
  FaultedRange faulted_range() const;

 private:
  static inline const std::atomic<bool> kNeverFaulted{false};

  void Release();

  // The entry lives for ever, so that a handler never reads freed memory; this guard owns its use.
  sigbus_internal::Entry* entry_ = nullptr;
  const std::atomic<bool>* faulted_ = &kNeverFaulted;
  uint32_t fork_generation_ = 0;
};

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_SIGBUS_H_
