// Holds checkpoints back where they begin to write.
//
//   HeldCheckpoint checkpoint;
//   ...                       // what asks for one in the background
//   checkpoint.AwaitBegin();
//   ...                       // beside it
//   checkpoint.Release();
#ifndef ESPALIER_TESTS_SUPPORT_HELD_CHECKPOINT_H_
#define ESPALIER_TESTS_SUPPORT_HELD_CHECKPOINT_H_

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "engine/os/fault_injection.h"

namespace espalier::testing {

class HeldCheckpoint : public os::SystemCallObserver {
 public:
  ~HeldCheckpoint() override { Release(); }

  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind == os::SystemCallKind::kWriteBack) {
      begun_ = true;
      gave_up_ = released_.wait_for(std::chrono::seconds(10)) == std::future_status::timeout;
    }
    return 0;
  }

  void AwaitBegin() const {
    while (!begun_) std::this_thread::yield();
  }
  void Release() {
    if (!std::exchange(is_released_, true)) release_.set_value();
  }
  // Nobody released it in time: what should go on beside a checkpoint waited for it.
  bool gave_up() const { return gave_up_; }

 private:
  std::promise<void> release_;
  const std::shared_future<void> released_ = release_.get_future().share();
  bool is_released_ = false;
  std::atomic<bool> begun_ = false;
  std::atomic<bool> gave_up_ = false;
  os::ScopedSystemCallObserver observing_{this};
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_HELD_CHECKPOINT_H_
