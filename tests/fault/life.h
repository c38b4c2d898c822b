// The life of a database under faults, in two processes: the first creates it, writes, takes a
// checkpoint, compacts, closes, opens it again, writes, and leaves it without closing; the second
// recovers it, writes, and closes it.
#ifndef ESPALIER_TESTS_FAULT_LIFE_H_
#define ESPALIER_TESTS_FAULT_LIFE_H_

#include <atomic>
#include <string>

#include "tests/fault/faulty_calls.h"
#include "tests/fault/history.h"

namespace espalier::testing {

struct LifeState {
  FaultCounter faults;
  History history;
  std::atomic<int> errors{0};  // that API calls returned
};

Options LifeOptions();

// Each whole life in a process of its own. Returns what is wrong on the spot: a handle that is not
// poisoned though a flush failed, or cannot be read any more; a crash; no end.
std::string LiveFirst(const std::string& path, const Fault& fault, LifeState& state);
std::string LiveSecond(const std::string& path, const Fault& fault, LifeState& state);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FAULT_LIFE_H_
