// The exit codes of the command line, and which of them a status means.
#ifndef ESPALIER_TOOLS_CLI_EXIT_CODE_H_
#define ESPALIER_TOOLS_CLI_EXIT_CODE_H_

#include "absl/status/status.h"

namespace espalier::tools {

enum class ExitCode : int {
  kFine = 0,
  kNotFound = 1,     // no such key or keyspace, or what was compared differs
  kUsage = 2,        // arguments or input text that make no sense
  kCorrupt = 3,      // the database is damaged
  kEnvironment = 4,  // the system said no: no such file, permission, space, another process
};

// What a failed call on an open database means. A reader that closed the pipe (kCancelled) is fine.
ExitCode ExitCodeFor(const absl::Status& status);

// The same status for a call whose failure always lies in the environment, damage excepted: a
// missing database is not a missing key. The message stays.
absl::Status AsEnvironmentError(const absl::Status& status);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_EXIT_CODE_H_
