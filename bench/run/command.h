// Runs programs of the system.
#ifndef ESPALIER_BENCH_RUN_COMMAND_H_
#define ESPALIER_BENCH_RUN_COMMAND_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::bench {

// Starts `arguments[0]` (looked up in PATH, and in /usr/sbin and /sbin), its output dropped, and
// gives its process. One that cannot be started ends with an exit code. kUnavailable when no
// process can be made.
absl::StatusOr<pid_t> StartCommand(const std::vector<std::string>& arguments);

// Starts a program and waits for it to end. kUnavailable when it cannot be started or ends with
// anything but 0.
absl::Status RunCommand(const std::vector<std::string>& arguments);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_COMMAND_H_
