// The demo's step that kills its own writer, again and again, and looks at what is left.
#ifndef ESPALIER_TOOLS_DEMO_KILL_STEP_H_
#define ESPALIER_TOOLS_DEMO_KILL_STEP_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "espalier/database.h"
#include "tools/demo/demo_report.h"

namespace espalier::tools {

struct KillOptions {
  std::string database_path;  // where there is no file yet
  uint64_t seed = 0;          // of the moments
  int kills = 5;
  // Anything but kSync and kAsync loses commits.
  Durability durability = Durability::kSync;
};

// Forks a process that commits from several threads and notes in shared memory what was
// acknowledged, kills it with SIGKILL, opens what it left, and checks that every acknowledged
// commit is there, whole, and none that was never attempted. No other thread may run.
absl::Status KillWriters(const KillOptions& options, DemoReport& report);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_DEMO_KILL_STEP_H_
