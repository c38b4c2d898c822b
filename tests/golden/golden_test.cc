// Files of format 1 open, verify and have their content, with this version and every one to come.

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/golden/golden_contents.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"

namespace espalier {
namespace {

using testing::Contents;
using testing::GoldenContents;
using ::testing::IsEmpty;
using testing::MemoryFile;
using testing::MoreGoldenContents;
using testing::ReadEverything;
using testing::ReadFile;
using testing::ReadResult;
using testing::UncleanGoldenContents;

void ExpectSound(Database& db, const Contents& contents) {
  const ReadResult result = ReadEverything(db, contents);
  EXPECT_EQ(result.wrong, "");
  EXPECT_FALSE(result.damaged);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
  EXPECT_THAT(report.problems, IsEmpty());
}

class GoldenTest : public ::testing::TestWithParam<std::pair<const char*, Contents (*)()>> {};

TEST_P(GoldenTest, OpensAndIsWhatItWas) {
  const auto& [name, make_contents] = GetParam();
  const std::string path = std::string("tests/golden/") + name;
  Contents contents = make_contents();
  {
    Options options;
    options.read_only = true;
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
    ExpectSound(db, contents);
  }
  // And can be written on, in a copy.
  MemoryFile file;
  file.SetContent(ReadFile(path));
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path()));
    ASSERT_THAT(db.Put(db.default_keyspace(), "new", "value"), IsOk());
    ASSERT_THAT(db.Delete(db.default_keyspace(), contents[""].begin()->first), IsOkAndHolds(true));
    contents[""].erase(contents[""].begin());
    contents[""]["new"] = "value";
    ASSERT_THAT(db.Checkpoint(), IsOk());
    ExpectSound(db, contents);
    ASSERT_THAT(db.Compact(), IsOk());
    ExpectSound(db, contents);
    ASSERT_THAT(db.Close(), IsOk());
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path()));
  ExpectSound(db, contents);
}

INSTANTIATE_TEST_SUITE_P(Format1, GoldenTest,
                         ::testing::Values(std::pair("format1.esp", &GoldenContents),
                                           std::pair("format1_more.esp", &MoreGoldenContents)),
                         [](const auto& file) { return file.index == 0 ? "Main" : "More"; });

// The log is replayed: in private memory, and for good.
TEST(GoldenFilesTest, RecoverWithTheirLog) {
  const os::TempDir dir;
  const std::string path = dir.File("db.esp");
  for (const char* const suffix : {"", "-wal"}) {
    const std::string name = absl::StrCat("tests/golden/format1_unclean.esp", suffix);
    std::filesystem::copy_file(name, path + suffix);
    std::filesystem::permissions(path + suffix, std::filesystem::perms::owner_all);
  }
  // It has large values and appended leaves by reference only.
  ASSERT_LT(std::filesystem::file_size(path + "-wal"), 32768u);
  Contents contents = UncleanGoldenContents();
  for (const bool read_only : {true, false}) {
    Options options;
    options.read_only = read_only;
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
    EXPECT_EQ(db.GetStats()->recovered_transactions, 7u);
    ExpectSound(db, contents);
    if (read_only) continue;
    ASSERT_THAT(db.Put(db.default_keyspace(), "new", "value"), IsOk());
    ASSERT_THAT(db.Close(), IsOk());
  }
  contents[""]["new"] = "value";
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
  ExpectSound(db, contents);
}

// What the pair is there for. Only an inner node of the space map is missing: that takes a file of
// 127 MiB.
TEST(GoldenFilesTest, HaveEveryOtherKindOfPage) {
  Options options;
  options.read_only = true;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database main, Database::Open("tests/golden/format1.esp", options));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, main.Verify());
  EXPECT_GT(report.inner_pages, 1u);
  EXPECT_GT(report.large_value_pages, 4u);
  EXPECT_EQ(report.space_map_pages, 1u);
  EXPECT_EQ(ReadFile("tests/golden/format1.esp").size() % 4096, 0u);
  EXPECT_LT(ReadFile("tests/golden/format1.esp").size(), 102400u);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database more,
                                Database::Open("tests/golden/format1_more.esp", options));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport more_report, more.Verify());
  // The leaves of the dropped keyspace.
  EXPECT_GT(more_report.leaf_pages, 10u);
}

}  // namespace
}  // namespace espalier
