// Makes the golden files anew:
//
//   bazel run //tests/golden:make_golden -- "$PWD/tests/golden"
//
// Only for a new format version, under new names: the files of format 1 stay as they are for ever.
// (UUIDs are random, so that files made anew differ.)

#include <cstdio>
#include <string>

#include "tests/golden/golden_contents.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_golden DIRECTORY\n");
    return 2;
  }
  const std::string directory = argv[1];
  for (const absl::Status& status :
       {espalier::testing::WriteGolden(directory + "/format1.esp"),
        espalier::testing::WriteMoreGolden(directory + "/format1_more.esp"),
        espalier::testing::WriteUncleanGolden(directory + "/format1_unclean.esp")}) {
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
  }
  return 0;
}
