// The demo's steps that read the loaded database back: single keys, prefixes, counts and ranks.
#ifndef ESPALIER_TOOLS_DEMO_READING_STEPS_H_
#define ESPALIER_TOOLS_DEMO_READING_STEPS_H_

#include "absl/status/status.h"
#include "espalier/database.h"
#include "tools/demo/demo_report.h"
#include "tools/demo/package_files.h"

namespace espalier::tools {

// Every key in random order through Get and MultiGet, and keys that must not be there.
absl::Status ReadPoints(Database& db, const Inventory& expected, DemoReport& report);

// Every directory as a prefix, counted and scanned both ways; every entry's rank, and back.
absl::Status ReadPrefixesAndCounts(Database& db, const Inventory& expected, DemoReport& report);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_DEMO_READING_STEPS_H_
