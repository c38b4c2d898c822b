#include "engine/base/fork_guard.h"

#include <pthread.h>

#include <utility>

#include "engine/base/mutex.h"

namespace espalier {

namespace fork_internal {
constinit std::atomic<uint32_t> generation{0};
}  // namespace fork_internal

// The list of all hooks. Its mutex is held from `prepare` to `parent` or `child`, so that the list
// is whole in the child and the same hooks see the whole of a fork.
class ForkHookList {
 public:
  static void Add(ForkHook* hook) {
    MutexLock lock(&mutex_);
    hook->older_ = newest_;
    (newest_ != nullptr ? newest_->newer_ : oldest_) = hook;
    newest_ = hook;
  }

  static void Remove(ForkHook* hook) {
    MutexLock lock(&mutex_);
    (hook->newer_ != nullptr ? hook->newer_->older_ : newest_) = hook->older_;
    (hook->older_ != nullptr ? hook->older_->newer_ : oldest_) = hook->newer_;
  }

  static void Prepare() ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex_) {
    mutex_.Lock();
    for (ForkHook* hook = newest_; hook != nullptr; hook = hook->older_) {
      if (hook->callbacks_.prepare) hook->callbacks_.prepare();
    }
  }

  static void Parent() ABSL_UNLOCK_FUNCTION(mutex_) {
    for (ForkHook* hook = oldest_; hook != nullptr; hook = hook->newer_) {
      if (hook->callbacks_.parent) hook->callbacks_.parent();
    }
    mutex_.Unlock();
  }

  static void Child() ABSL_UNLOCK_FUNCTION(mutex_) {
    fork_internal::generation.fetch_add(1, std::memory_order_relaxed);
    for (ForkHook* hook = oldest_; hook != nullptr; hook = hook->newer_) {
      if (hook->callbacks_.child) hook->callbacks_.child();
    }
    mutex_.Unlock();
  }

 private:
  static inline constinit Mutex mutex_;
  static inline constinit ForkHook* oldest_ ABSL_GUARDED_BY(mutex_) = nullptr;
  static inline constinit ForkHook* newest_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

namespace {

// At load time, so that ForkGeneration needs no call of its own. Fails only without memory for a
// list node, when no program gets as far as main.
[[maybe_unused]] const int installed =
    pthread_atfork(&ForkHookList::Prepare, &ForkHookList::Parent, &ForkHookList::Child);

}  // namespace

ForkHook::ForkHook(std::function<void()> in_child)
    : ForkHook(ForkCallbacks{.child = std::move(in_child)}) {}

ForkHook::ForkHook(ForkCallbacks callbacks) : callbacks_(std::move(callbacks)) {
  ForkHookList::Add(this);
}

ForkHook::~ForkHook() { ForkHookList::Remove(this); }

}  // namespace espalier
