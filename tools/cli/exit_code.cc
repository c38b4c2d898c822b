#include "tools/cli/exit_code.h"

namespace espalier::tools {

ExitCode ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kCancelled:
      return ExitCode::kFine;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kCorrupt;
    default:
      return ExitCode::kEnvironment;
  }
}

absl::Status AsEnvironmentError(const absl::Status& status) {
  if (ExitCodeFor(status) == ExitCode::kEnvironment || absl::IsDataLoss(status) || status.ok()) {
    return status;
  }
  return absl::UnavailableError(status.message());
}

}  // namespace espalier::tools
