// A long operation: shows its progress on a terminal and ends when interrupted.
#ifndef ESPALIER_TOOLS_CLI_LONG_WORK_H_
#define ESPALIER_TOOLS_CLI_LONG_WORK_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "espalier/progress.h"
#include "tools/cli/interruption.h"
#include "tools/cli/progress_bar.h"

namespace espalier::tools {

class LongWork {
 public:
  LongWork(std::string label, ProgressBar::Unit unit)
      : bar_(std::move(label), unit, ProgressTerminal::StandardError()) {}

  // False once the user has interrupted. A `total` of 0 is not known.
  bool Step(uint64_t done, uint64_t total) {
    bar_.Update(done, total);
    return !watch_.Interrupted();
  }

  // For the library's own long operations; must not outlive this object.
  ProgressCallback Callback() {
    return [this](const Progress& progress) { return Step(progress.done, progress.total); };
  }

  // What to return after Step() said false.
  static absl::Status InterruptedError() { return absl::AbortedError("interrupted"); }

  // The status of a library call that had Callback(), its kCancelled replaced.
  static absl::Status Explain(const absl::Status& status) {
    return absl::IsCancelled(status) ? InterruptedError() : status;
  }

 private:
  InterruptionWatch watch_;
  ProgressBar bar_;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_LONG_WORK_H_
