// Recovery for reading only, in private memory. Found by the images of crashes: where the log
// needed more pages than the file had, as after a crash that took the file's growth, Verify()
// called the file too short, though nothing was wrong with it.
#include <optional>
#include <string>
#include <utility>

#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/crash/disk_image.h"
#include "tests/crash/image_checker.h"

namespace espalier::testing {
namespace {

TEST(ReadOnlyRecoveryTest, VerifiesWhatTheLogMadeGrow) {
  const os::TempDir directory("/dev/shm");
  const std::string path = directory.path() + "/" + kDatabaseName;
  Options options = CrashTestOptions();
  options.create_if_missing = true;
  std::optional<Database> db(Database::Open(path, options).value());
  ASSERT_THAT(db->Put(db->default_keyspace(), "small", "1"), IsOk());
  DirectoryImage crashed = ReadDirectory(directory.path());
  ASSERT_THAT(db->Put(db->default_keyspace(), "large", std::string(60000, 'x')), IsOk());
  // Of the second commit only the log reaches the disk, which is all that it promises. (A value of
  // 64 KiB and more would not be in the log.)
  const std::string log = std::string(kDatabaseName) + "-wal";
  crashed.at(log) = ReadDirectory(directory.path()).at(log);
  db.reset();
  WriteDirectory(crashed, directory.path());

  options.create_if_missing = false;
  options.read_only = true;
  options.address_space_bytes = 4096;  // never a limit: nor was it, but for a private recovery
  db.emplace(Database::Open(path, options).value());
  EXPECT_THAT(db->Get(db->default_keyspace(), "large"), IsOkAndHolds(std::string(60000, 'x')));
  const auto report = db->Verify();
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->problems, ::testing::IsEmpty());
}

}  // namespace
}  // namespace espalier::testing
