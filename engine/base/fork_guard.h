// What a fork means to open handles. A child inherits descriptors and memory but neither threads
// nor (MADV_DONTFORK) the engine's mappings, so that a handle opened before the fork is dead in the
// child. Two tools to see to that:
//
//   handle->opened_in_ = ForkGeneration();                        // at opening
//   if (ForkGeneration() != opened_in_) return FailedPrecondition // in each call
//
//   ForkHook hook_([this] { lock_file_.CloseInForkChild(); });    // at the moment of the fork
//
// Built on pthread_atfork: children of fork() only; vfork, posix_spawn and raw clone are not seen.

#ifndef ESPALIER_ENGINE_BASE_FORK_GUARD_H_
#define ESPALIER_ENGINE_BASE_FORK_GUARD_H_

#include <atomic>
#include <cstdint>
#include <functional>

namespace espalier {

namespace fork_internal {
extern std::atomic<uint32_t> generation;
}  // namespace fork_internal

// The number of forks between the first process and this one. Changes in a child before fork()
// returns there, and never otherwise. Costs one load.
inline uint32_t ForkGeneration() {
  return fork_internal::generation.load(std::memory_order_relaxed);
}

// What to do around a fork; empty functions are skipped.
struct ForkCallbacks {
  // In the parent before the fork and after it: for a lock that must be free in the child.
  std::function<void()> prepare = nullptr;
  std::function<void()> parent = nullptr;
  // In the child, where only the forking thread exists: async-signal-safe work only (store to an
  // atomic, close a descriptor, unlock what `prepare` locked). No allocation, no ForkHook.
  std::function<void()> child = nullptr;
};

// Keeps callbacks registered for as long as it lives. Hooks may come and go in any thread while
// others fork: a hook is called in all its parts for one fork, or not at all; when the destructor
// has returned, it is not running and will not run. A lock that `prepare` takes must not be held
// while a hook is made or destroyed. Hooks run newest first in prepare and oldest first afterwards.
class ForkHook {
 public:
  explicit ForkHook(std::function<void()> in_child);
  explicit ForkHook(ForkCallbacks callbacks);
  ~ForkHook();
  ForkHook(const ForkHook&) = delete;
  ForkHook& operator=(const ForkHook&) = delete;

 private:
  friend class ForkHookList;
  const ForkCallbacks callbacks_;
  // Neighbours in the list of all hooks; guarded by the list's mutex.
  ForkHook* older_ = nullptr;
  ForkHook* newer_ = nullptr;
};

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_FORK_GUARD_H_
