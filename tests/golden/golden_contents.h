// What the golden files contain. Never change it: the files are read by every version to come.

#ifndef ESPALIER_TESTS_GOLDEN_GOLDEN_CONTENTS_H_
#define ESPALIER_TESTS_GOLDEN_GOLDEN_CONTENTS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "tests/hostile/sample_database.h"

namespace espalier::testing {

// format1.esp: every kind of page and entry that fits into 100 KiB.
Contents GoldenContents();
absl::Status WriteGolden(const std::string& path);

// format1_more.esp: a large value in several chunks, and a dropped keyspace that is still to be
// freed.
Contents MoreGoldenContents();
absl::Status WriteMoreGolden(const std::string& path);

// format1_unclean.esp and its log: as a process left them that died after a checkpoint and
// transactions of every kind.
Contents UncleanGoldenContents();
absl::Status WriteUncleanGolden(const std::string& path);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_GOLDEN_GOLDEN_CONTENTS_H_
