// The demo: the main job of a storage engine on real input, checked at every step, and then a
// writer that is killed at its work.
#ifndef ESPALIER_TOOLS_DEMO_DEMO_H_
#define ESPALIER_TOOLS_DEMO_DEMO_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "tools/text/output.h"

namespace espalier::tools {

struct DemoOptions {
  std::string database_path;  // where there is no file yet, nor one with -killed behind
  std::string package_lists;  // dpkg's directory of NAME.list files
  uint64_t seed = 0;          // of the moments at which the writer is killed
};

// Prints what it does as it goes. True when every check passed; a status when it could not go on.
// kAborted when interrupted.
absl::StatusOr<bool> RunDemo(const DemoOptions& options, Output& output);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_DEMO_DEMO_H_
