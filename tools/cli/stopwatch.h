// Measures how long something took.
#ifndef ESPALIER_TOOLS_CLI_STOPWATCH_H_
#define ESPALIER_TOOLS_CLI_STOPWATCH_H_

#include <chrono>

#include "tools/cli/figures.h"

namespace espalier::tools {

class Stopwatch {
 public:
  Seconds Elapsed() const { return std::chrono::steady_clock::now() - start_; }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_STOPWATCH_H_
