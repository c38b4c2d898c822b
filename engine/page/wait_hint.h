// Guesses whether the pages that are needed next have to be read from the device, so that it is
// worth a system call to announce them.
#ifndef ESPALIER_ENGINE_PAGE_WAIT_HINT_H_
#define ESPALIER_ENGINE_PAGE_WAIT_HINT_H_

#include <atomic>
#include <chrono>
#include <cstdint>

namespace espalier::page {

// Learns from how long batches of lookups take. Thread-safe; where threads meet it may guess wrong,
// which costs time only.
class WaitHint {
 public:
  // Whether to announce the pages of the next batch.
  bool announce() const { return batches_left_.load(std::memory_order_relaxed) > 0; }

  // What a batch took. In memory it takes microseconds; a few reads from a device take more than
  // kWait. So does an interruption by another thread, but not twice in a row.
  void NoteBatch(std::chrono::nanoseconds elapsed) {
    const bool waited = elapsed > kWait;
    const uint32_t left = batches_left_.load(std::memory_order_relaxed);
    if (waited) {
      if (left > 0 || waited_before_.exchange(true, std::memory_order_relaxed)) {
        batches_left_.store(kBatchesAnnounced, std::memory_order_relaxed);
      }
      return;
    }
    if (left > 0) batches_left_.store(left - 1, std::memory_order_relaxed);
    if (waited_before_.load(std::memory_order_relaxed)) {
      waited_before_.store(false, std::memory_order_relaxed);
    }
  }

 private:
  static constexpr std::chrono::microseconds kWait{100};
  static constexpr uint32_t kBatchesAnnounced = 64;  // after the last one that waited

  std::atomic<uint32_t> batches_left_{0};
  std::atomic<bool> waited_before_{false};
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_WAIT_HINT_H_
