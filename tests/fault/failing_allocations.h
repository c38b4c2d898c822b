// Makes one allocation fail: this library replaces operator new in the program that it is linked
// into.
//
//   try {
//     const FailingAllocation third(3);
//     status = db.Checkpoint();
//   } catch (const std::bad_alloc&) {
//   }
#ifndef ESPALIER_TESTS_FAULT_FAILING_ALLOCATIONS_H_
#define ESPALIER_TESTS_FAULT_FAILING_ALLOCATIONS_H_

#include <cstdint>

namespace espalier::testing {

// While it lives, the n-th allocation of the thread that made it throws std::bad_alloc.
class FailingAllocation {
 public:
  explicit FailingAllocation(int n);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
};

// Whether the last FailingAllocation of the thread came to fail.
bool AllocationFailed();

// Of all threads, what was allocated and not freed.
int64_t LiveAllocations();

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FAULT_FAILING_ALLOCATIONS_H_
