#include "engine/os/directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/status_for_testing.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/file.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::os {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<File> TemporaryFile(const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string name, TemporaryNameBeside(path));
  return File::CreateExclusive(name);
}

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() {
    char resolved[4096];
    real_dir_ = realpath(dir_.path().c_str(), resolved);
  }

  FileIdentity IdentityOf(const std::string& path) {
    return File::Open(path, OpenMode::kReadOnly).value().Identity();
  }

  const TempDir dir_;
  std::string real_dir_;
};

TEST_F(DirectoryTest, TemporariesHaveNamesOfTheirOwnBesideThePath) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const File one, TemporaryFile(dir_.File("db")));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const File two, TemporaryFile(dir_.File("db")));
  EXPECT_NE(one.path(), two.path());
  EXPECT_THAT(one.path(), StartsWith(dir_.File(".espalier-new-")));
  EXPECT_THAT(TemporaryFile(dir_.File("missing/db")), StatusIs(absl::StatusCode::kNotFound));
}

// Once by renameat2, once by link and unlink.
TEST_F(DirectoryTest, RenameNeverReplaces) {
  for (const int error : {0, EINVAL}) {
    const FailingCalls calls(SystemCallKind::kRename, error);
    const std::string target = dir_.File("db" + std::to_string(error));
    ESPALIER_ASSERT_OK_AND_ASSIGN(const File one, TemporaryFile(target));
    ESPALIER_ASSERT_OK_AND_ASSIGN(const File two, TemporaryFile(target));
    EXPECT_THAT(RenameNoReplace(one.path(), target), IsOk());
    EXPECT_EQ(IdentityOf(target), one.Identity());
    EXPECT_THAT(File::Open(one.path(), OpenMode::kReadOnly), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(RenameNoReplace(two.path(), target),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(target)));
    EXPECT_EQ(IdentityOf(target), one.Identity());
    EXPECT_EQ(IdentityOf(two.path()), two.Identity());
  }
}

TEST_F(DirectoryTest, RemoveRemovesANameOnce) {
  const std::string path = dir_.File("db");
  ASSERT_THAT(File::CreateExclusive(path), IsOk());
  EXPECT_THAT(Remove(path), IsOk());
  EXPECT_THAT(Remove(path), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
}

TEST_F(DirectoryTest, DiscardRemovesWhatIsThere) {
  const std::string path = dir_.File("db");
  ASSERT_THAT(File::CreateExclusive(path), IsOk());
  Discard(path);
  EXPECT_THAT(File::Open(path, OpenMode::kReadOnly), StatusIs(absl::StatusCode::kNotFound));
  Discard(path);
}

TEST_F(DirectoryTest, SyncDirectoryFlushesTheParent) {
  {
    const FailingCalls calls(SystemCallKind::kSyncAll);
    EXPECT_THAT(SyncDirectoryOf(dir_.File("db")), IsOk());
    EXPECT_THAT(SyncDirectoryOf("in-the-working-directory"), IsOk());
    EXPECT_THAT(SyncDirectoryOf("/in-the-root"), IsOk());
    EXPECT_EQ(calls.calls(), 3);
  }
  EXPECT_THAT(SyncDirectoryOf(dir_.File("missing/db")), StatusIs(absl::StatusCode::kNotFound));
  const FailingCalls calls(SystemCallKind::kSyncAll, EIO);
  EXPECT_THAT(SyncDirectoryOf(dir_.File("db")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr(dir_.path())));
}

TEST_F(DirectoryTest, CanonicalPathFollowsLinks) {
  ASSERT_THAT(File::CreateExclusive(dir_.File("db")), IsOk());
  ASSERT_EQ(mkdir(dir_.File("sub").c_str(), 0700), 0);
  ASSERT_EQ(symlink("../db", dir_.File("sub/link").c_str()), 0);
  ASSERT_EQ(symlink("sub", dir_.File("sub-link").c_str()), 0);
  EXPECT_THAT(CanonicalPath(dir_.File("sub/link")), IsOkAndHolds(real_dir_ + "/db"));
  EXPECT_THAT(CanonicalPath(dir_.File("sub-link/../db")), IsOkAndHolds(real_dir_ + "/db"));
  // The last component may be missing.
  EXPECT_THAT(CanonicalPath(dir_.File("sub-link/new")), IsOkAndHolds(real_dir_ + "/sub/new"));
  EXPECT_THAT(CanonicalPath("/espalier-new"), IsOkAndHolds(std::string("/espalier-new")));
  EXPECT_THAT(CanonicalPath(dir_.File("missing/new")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CanonicalPath(dir_.File("missing/")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CanonicalPath(""), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CanonicalPath(std::string("/a\0b", 4)), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace espalier::os
