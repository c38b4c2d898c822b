// Makes chosen system calls of engine/os fail for a scope, and counts those that were made.
//
//   FailingCalls calls(SystemCallKind::kSyncData, EIO);
//   EXPECT_THAT(file.SyncData(), StatusIs(absl::StatusCode::kInternal));

#ifndef ESPALIER_ENGINE_OS_FAILING_CALLS_FOR_TESTING_H_
#define ESPALIER_ENGINE_OS_FAILING_CALLS_FOR_TESTING_H_

#include <atomic>
#include <cstdint>
#include <limits>

#include "engine/os/fault_injection.h"

namespace espalier::os {

// The observer of system calls from construction to destruction; thread-safe between.
class FailingCalls : public SystemCallObserver {
 public:
  // Calls of `kind` fail with `error` (0: none fail), the first `skip` of them excepted, `count` of
  // them in all.
  explicit FailingCalls(SystemCallKind kind, int error = 0, int skip = 0,
                        int count = std::numeric_limits<int>::max())
      : kind_(kind), error_(error), skip_(skip), count_(count) {}

  // How many calls of the kind there were, failed ones included.
  int calls() const { return calls_; }
  // The sum of their lengths.
  uint64_t bytes() const { return bytes_; }

  int BeforeCall(const SystemCall& call) override {
    if (call.kind != kind_) return 0;
    bytes_ += call.length;
    const int index = calls_++;
    return index >= skip_ && index - skip_ < count_ ? error_ : 0;
  }

 private:
  const SystemCallKind kind_;
  const int error_;
  const int skip_;
  const int count_;
  std::atomic<int> calls_{0};
  std::atomic<uint64_t> bytes_{0};
  ScopedSystemCallObserver observing_{this};
};

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_FAILING_CALLS_FOR_TESTING_H_
