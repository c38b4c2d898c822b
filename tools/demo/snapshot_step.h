// The demo's step that holds a snapshot while a writer changes the database under it.
#ifndef ESPALIER_TOOLS_DEMO_SNAPSHOT_STEP_H_
#define ESPALIER_TOOLS_DEMO_SNAPSHOT_STEP_H_

#include "absl/status/status.h"
#include "espalier/database.h"
#include "tools/demo/demo_report.h"
#include "tools/demo/package_files.h"

namespace espalier::tools {

// `expected` is what the database holds; afterwards it is what the writer made of it.
absl::Status HoldSnapshotWhileWriting(Database& db, Inventory& expected, DemoReport& report);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_DEMO_SNAPSHOT_STEP_H_
