// Makes the n-th system call of a kind fail, counted over all processes of a test, whoever of them
// makes it.
#ifndef ESPALIER_TESTS_FAULT_FAULTY_CALLS_H_
#define ESPALIER_TESTS_FAULT_FAULTY_CALLS_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "engine/os/fault_injection.h"

namespace espalier::testing {

struct Fault {
  enum class Effect {
    kError,           // `error` in place of the call
    kShort,           // the kernel takes half of the bytes
    kShortThenError,  // and then says `error` to the next call
  };

  os::SystemCallKind kind;
  int n = 1;  // the first call that it concerns
  bool for_ever = false;
  Effect effect = Effect::kError;
  int error = 0;

  std::string Name() const;
};

// In memory that processes share.
struct FaultCounter {
  std::atomic<int> calls{0};  // of the kind
  // A flush failed of a file that the database depends on (INV-9).
  std::atomic<bool> flush_failed{false};
};

// The observer of system calls as long as it lives.
class FaultyCalls : public os::SystemCallObserver {
 public:
  FaultyCalls(const Fault& fault, FaultCounter* counter);

  int BeforeCall(const os::SystemCall& call) override;
  uint64_t LimitLength(const os::SystemCall& call) override;
  void AfterCall(const os::SystemCall& call, int result_errno) override;

 private:
  // Whether the flush is of a file that the database depends on.
  bool IsFlushInUse(const os::SystemCall& call);

  const Fault fault_;
  FaultCounter* const counter_;
  // A log was renamed into its place, and nothing was written to it since.
  std::atomic<bool> fresh_log_{false};
  os::ScopedSystemCallObserver observing_{this};
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FAULT_FAULTY_CALLS_H_
