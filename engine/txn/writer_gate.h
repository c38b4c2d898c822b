// Lets one writer in at a time, in the order of their coming. Unlike a mutex it may be left by
// another thread than the one that entered, since a write transaction may move between threads.
#ifndef ESPALIER_ENGINE_TXN_WRITER_GATE_H_
#define ESPALIER_ENGINE_TXN_WRITER_GATE_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <optional>
#include <utility>

#include "engine/base/mutex.h"

namespace espalier::txn {

// Thread-safe.
class WriterGate {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  // `on_wait` is called when somebody begins to wait, who is then counted; it must not call the
  // gate.
  explicit WriterGate(std::function<void()> on_wait = [] {}) : on_wait_(std::move(on_wait)) {}

  // False if the deadline passed first, or `give_up` is set while it waits.
  bool Enter(Deadline deadline = std::nullopt, const std::atomic<bool>* give_up = nullptr);
  // Has those who wait look at `give_up` again.
  void Wake();
  void Leave();
  // Leaves unless `flag` is set, in one step with regard to occupied(). False if it is.
  bool LeaveUnless(const std::atomic<bool>& flag);
  bool occupied() const;
  // Whether somebody waits.
  bool awaited() const { return waiting_count_.load(std::memory_order_seq_cst) > 0; }

 private:
  bool IsNext(const void* waiting) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !occupied_ && waiting_.front() == waiting;
  }

  const std::function<void()> on_wait_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool occupied_ ABSL_GUARDED_BY(mutex_) = false;
  // Those that wait, the next one first; the addresses tell them apart.
  std::list<const void*> waiting_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> waiting_count_{0};  // of waiting_
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_WRITER_GATE_H_
