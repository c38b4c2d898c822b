// Runs a program of the system.
#ifndef ESPALIER_BENCH_RUN_COMMAND_H_
#define ESPALIER_BENCH_RUN_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace espalier::bench {

// Waits for `arguments[0]` (looked up in PATH, and in /usr/sbin and /sbin) to end; its output is
// dropped. kUnavailable when it cannot be started or ends with anything but 0.
absl::Status RunCommand(const std::vector<std::string>& arguments);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_COMMAND_H_
