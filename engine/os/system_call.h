// How engine/os makes its system calls: under the eyes of the test observer of fault_injection.h,
// and again if a signal came between.
//
//   const int result = RetryOnInterrupt([&] {
//     return Observed(call, [&] { return ftruncate(fd_, size); });
//   });
//   if (result == -1) return ErrnoStatus(errno, "truncate", path_);

#ifndef ESPALIER_ENGINE_OS_SYSTEM_CALL_H_
#define ESPALIER_ENGINE_OS_SYSTEM_CALL_H_

#include <cerrno>

#include "engine/os/fault_injection.h"

namespace espalier::os {

// Returns perform(), which fails by returning -1 with errno set, as system calls do; or fails so in
// its place if the observer wills.
template <typename Function>
auto Observed(const SystemCall& call, Function&& perform) -> decltype(perform()) {
  SystemCallObserver* const observer =
      fault_injection_internal::observer.load(std::memory_order_acquire);
  if (observer == nullptr) [[likely]] {
    return perform();
  }
  int error = observer->BeforeCall(call);
  decltype(perform()) result = -1;
  if (error == 0) {
    result = perform();
    error = result == -1 ? errno : 0;
  }
  observer->AfterCall(call, error);
  errno = error;
  return result;
}

// The length to ask the kernel for: the call's own, or less if the observer wills.
inline uint64_t LimitedLength(const SystemCall& call) {
  SystemCallObserver* const observer =
      fault_injection_internal::observer.load(std::memory_order_acquire);
  if (observer == nullptr) [[likely]] {
    return call.length;
  }
  return observer->LimitLength(call);
}

// Returns perform() as soon as it is anything but a failure with EINTR.
template <typename Function>
auto RetryOnInterrupt(Function&& perform) -> decltype(perform()) {
  while (true) {
    const auto result = perform();
    if (result != -1 || errno != EINTR) return result;
  }
}

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_SYSTEM_CALL_H_
