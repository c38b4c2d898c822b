// What the kernel knows of the data mapping (/proc/self/smaps): INV-8 and its companions are advice
// that no other test would miss.

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// The VmFlags of each mapping of the file, as in " rd wr sh mr mw me ms rr dc dd ".
std::vector<std::string> FlagsOfMappings(const std::string& path) {
  std::vector<std::string> flags;
  std::ifstream smaps("/proc/self/smaps");
  bool in_ours = false;
  for (std::string line; std::getline(smaps, line);) {
    // "7f...-7f... rw-s 00000000 08:01 123   /path" begins a mapping.
    if (line.find('-') < line.find(' ') && line.find(':') > line.find(' ')) {
      in_ours = line.size() > path.size() && line.ends_with(" " + path);
    } else if (in_ours && line.starts_with("VmFlags:")) {
      flags.push_back(line.substr(8) + " ");
    }
  }
  return flags;
}

TEST(AdviceTest, IsInForceOnTheDataMapping) {
  os::TempDir dir;
  for (const bool separate_view : {false, true}) {
    for (const bool read_only : {false, true}) {
      SCOPED_TRACE(absl::StrCat("separate view ", separate_view, " read-only ", read_only));
      const std::string path = dir.File("db.esp");
      {
        ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
        ASSERT_THAT(db.Put(db.default_keyspace(), "key", std::string(5000, 'x')), IsOk());
      }
      Options options;
      options.protect_from_stray_stores = separate_view;
      options.read_only = read_only;
      ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
      const auto expect_advice = [&] {
        const std::vector<std::string> flags = FlagsOfMappings(path);
        EXPECT_THAT(flags, SizeIs(separate_view && !read_only ? 2 : 1));
        // Random reading, neither in core dumps nor in fork children.
        EXPECT_THAT(flags, Each(AllOf(HasSubstr(" rr "), HasSubstr(" dd "), HasSubstr(" dc "))));
      };
      expect_advice();
      if (!read_only) {
        // Growth changes no mapping (INV-7), and so no advice.
        for (int i = 0; i < 50; ++i) {
          ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat(i), std::string(50000, 'x')),
                      IsOk());
        }
        ASSERT_THAT(db.Checkpoint(), IsOk());
        expect_advice();
      }
    }
  }
}

// Where the reserved addresses are outgrown, the new mapping is advised like the first.
TEST(AdviceTest, IsInForceAfterRemapping) {
  os::TempDir dir;
  const std::string path = dir.File("db.esp");
  Options options;
  options.address_space_bytes = 1 << 20;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats before, db.GetStats());
  for (int i = 0; i < 200; ++i) {
    ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat(i), std::string(50000, 'x')), IsOk());
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats after, db.GetStats());
  EXPECT_GT(after.mapped_bytes, before.mapped_bytes);
  const std::vector<std::string> flags = FlagsOfMappings(path);
  EXPECT_FALSE(flags.empty());
  EXPECT_THAT(flags, Each(AllOf(HasSubstr(" rr "), HasSubstr(" dd "), HasSubstr(" dc "))));
}

}  // namespace
}  // namespace espalier
