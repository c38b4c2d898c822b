#include "engine/os/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/fork_guard.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::os {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

using Bytes = std::vector<uint8_t>;

class FileTest : public ::testing::Test {
 protected:
  const TempDir dir_;
  const std::string path_ = dir_.File("file");
};

Bytes ReadAll(const File& file) {
  Bytes bytes(file.Size().value());
  EXPECT_THAT(file.ReadAt(0, bytes), IsOkAndHolds(bytes.size()));
  return bytes;
}

TEST_F(FileTest, CreateMakesAnEmptyFileOnce) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const File file, File::CreateExclusive(path_));
  EXPECT_EQ(file.path(), path_);
  EXPECT_THAT(file.Size(), IsOkAndHolds(0u));
  EXPECT_THAT(File::CreateExclusive(path_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path_)));
  EXPECT_NE(fcntl(file.fd(), F_GETFD) & FD_CLOEXEC, 0);
}

// A test that fails each system call in turn found the files of a creation whose fstat failed.
TEST_F(FileTest, CreateLeavesNothingBehindWhenItFails) {
  {
    const FailingCalls stats(SystemCallKind::kStat, EIO);
    EXPECT_THAT(File::CreateExclusive(path_), StatusIs(absl::StatusCode::kInternal));
  }
  EXPECT_THAT(File::Open(path_, OpenMode::kReadOnly), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(FileTest, OpenReportsWhatIsInTheWay) {
  EXPECT_THAT(File::Open(path_, OpenMode::kReadWrite),
              StatusIs(absl::StatusCode::kNotFound, AllOf(HasSubstr("open"), HasSubstr(path_))));
  for (const OpenMode mode : {OpenMode::kReadOnly, OpenMode::kReadWrite}) {
    EXPECT_THAT(File::Open(dir_.path(), mode),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a directory")));
  }
  EXPECT_THAT(File::Open("/dev/null", OpenMode::kReadOnly),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
  EXPECT_THAT(File::Open(std::string("a\0b", 3), OpenMode::kReadOnly),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(File::Open(std::string(300, 'x'), OpenMode::kReadOnly),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FileTest, OpenDoesNotWaitForAFifo) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(File::Open(path_, OpenMode::kReadOnly),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a regular file")));
}

TEST_F(FileTest, OpenReportsMissingPermission) {
  ASSERT_THAT(File::CreateExclusive(path_), IsOk());
  ASSERT_EQ(chmod(path_.c_str(), 0), 0);
  const auto open_as_nobody = [this] {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && setuid(kNobody) != 0) _exit(2);
    _exit(absl::IsPermissionDenied(File::Open(path_, OpenMode::kReadOnly).status()) ? 0 : 1);
  };
  EXPECT_EXIT(open_as_nobody(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FileTest, ReadOnlyFilesRefuseWrites) {
  ASSERT_THAT(File::CreateExclusive(path_), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::Open(path_, OpenMode::kReadOnly));
  EXPECT_THAT(file.WriteAt(0, Bytes{1}), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(FileTest, ReadsBackWhatWasWritten) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  const Bytes bytes = {1, 2, 3, 4, 5};
  EXPECT_THAT(file.WriteAt(3, bytes), IsOk());
  EXPECT_THAT(file.WriteAt(100, {}), IsOk());
  EXPECT_EQ(ReadAll(file), (Bytes{0, 0, 0, 1, 2, 3, 4, 5}));
  EXPECT_THAT(file.SyncData(), IsOk());
  EXPECT_THAT(file.SyncAll(), IsOk());

  Bytes buffer(10, 0xff);
  EXPECT_THAT(file.ReadAt(6, buffer), IsOkAndHolds(2u));
  EXPECT_EQ(buffer[1], 5);
  EXPECT_EQ(buffer[2], 0xff);
  EXPECT_THAT(file.ReadAt(8, buffer), IsOkAndHolds(0u));
}

TEST_F(FileTest, ReadsAndWritesGoOnAfterInterruption) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  {
    const FailingCalls calls(SystemCallKind::kWrite, EINTR, 0, 3);
    EXPECT_THAT(file.WriteAt(0, Bytes{1, 2}), IsOk());
    EXPECT_EQ(calls.calls(), 4);
  }
  const FailingCalls calls(SystemCallKind::kRead, EINTR, 0, 3);
  Bytes buffer(2);
  EXPECT_THAT(file.ReadAt(0, buffer), IsOkAndHolds(2u));
  EXPECT_EQ(buffer, (Bytes{1, 2}));
}

// The first error is the only one that the kernel reports, so that a second attempt would lie
// (INV-9).
TEST_F(FileTest, AFailedFlushIsNotRepeated) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  for (const int error : {EIO, EINTR}) {
    {
      const FailingCalls calls(SystemCallKind::kSyncData, error);
      EXPECT_THAT(file.SyncData(), StatusIs(absl::StatusCode::kInternal, HasSubstr(path_)));
      EXPECT_EQ(calls.calls(), 1);
    }
    const FailingCalls calls(SystemCallKind::kSyncAll, error);
    EXPECT_THAT(file.SyncAll(), StatusIs(absl::StatusCode::kInternal, HasSubstr(path_)));
    EXPECT_EQ(calls.calls(), 1);
  }
}

TEST_F(FileTest, TruncateShrinksAndGrowsWithZeros) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  EXPECT_THAT(file.WriteAt(0, Bytes{1, 2, 3}), IsOk());
  EXPECT_THAT(file.Truncate(1), IsOk());
  EXPECT_THAT(file.Truncate(4), IsOk());
  EXPECT_EQ(ReadAll(file), (Bytes{1, 0, 0, 0}));
}

TEST_F(FileTest, AllocateGivesBlocksAndChangesNoByte) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  EXPECT_THAT(file.WriteAt(5000, Bytes{7}), IsOk());
  EXPECT_THAT(file.Allocate(0, 1 << 20), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const FileInfo info, file.Info());
  EXPECT_EQ(info.size_bytes, 1u << 20);
  EXPECT_GE(info.allocated_bytes, 1u << 20);
  Bytes expected(1 << 20);
  expected[5000] = 7;
  EXPECT_EQ(ReadAll(file), expected);
  // Within the file, the size stays.
  EXPECT_THAT(file.Allocate(0, 4096), IsOk());
  EXPECT_THAT(file.Allocate(1 << 20, 0), IsOk());
  EXPECT_THAT(file.Size(), IsOkAndHolds(1u << 20));
}

TEST_F(FileTest, AllocateWritesZerosWhereTheFileSystemCannotAllocate) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  constexpr size_t kSize = (size_t{3} << 20) + 1000;
  Bytes expected(kSize);
  for (const size_t at : {size_t{0}, size_t{4999}, size_t{5000}, size_t{2000000}}) {
    expected[at] = 7;
    EXPECT_THAT(file.WriteAt(at, Bytes{7}), IsOk());
  }
  EXPECT_THAT(file.Truncate(kSize - (1 << 20)), IsOk());
  {
    const FailingCalls calls(SystemCallKind::kAllocate, EOPNOTSUPP);
    EXPECT_THAT(file.Allocate(0, kSize), IsOk());
    EXPECT_EQ(calls.calls(), 1);
  }
  EXPECT_EQ(ReadAll(file), expected);
  EXPECT_THAT(file.SyncAll(), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const FileInfo info, file.Info());
  EXPECT_GE(info.allocated_bytes, kSize);
}

TEST_F(FileTest, AFullDiskIsAStatus) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  const FailingCalls calls(SystemCallKind::kAllocate, ENOSPC);
  EXPECT_THAT(file.Allocate(0, 4096), StatusIs(absl::StatusCode::kResourceExhausted,
                                               AllOf(HasSubstr("allocate"), HasSubstr(path_))));
}

// Without care, the kernel would end the process with SIGXFSZ.
TEST_F(FileTest, TheProcessLimitOnFileSizesIsAStatus) {
  const auto grow_past_limit = [this] {
    File file = File::CreateExclusive(path_).value();
    if (!file.WriteAt(0, Bytes(8192, 1)).ok()) _exit(2);
    const struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
    const bool refused = absl::IsResourceExhausted(file.WriteAt(4000, Bytes(100))) &&
                         absl::IsResourceExhausted(file.Truncate(8193)) &&
                         absl::IsResourceExhausted(file.Allocate(8192, 1)) &&
                         absl::IsResourceExhausted(file.Allocate(1, UINT64_MAX));
    const bool allowed = file.WriteAt(4000, Bytes(96)).ok() && file.Allocate(4096, 4096).ok() &&
                         file.Truncate(5000).ok() && file.Truncate(100).ok();
    _exit(refused && allowed ? 0 : 1);
  };
  EXPECT_EXIT(grow_past_limit(), ::testing::ExitedWithCode(0), "");
}

TEST_F(FileTest, PunchHoleGivesBlocksBack) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  EXPECT_THAT(file.WriteAt(0, Bytes(1 << 20, 1)), IsOk());
  EXPECT_THAT(file.SyncAll(), IsOk());
  EXPECT_THAT(file.PunchHole(0, 1 << 19), IsOkAndHolds(true));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const FileInfo info, file.Info());
  EXPECT_EQ(info.size_bytes, 1u << 20);
  EXPECT_LT(info.allocated_bytes, 1u << 20);
  const Bytes bytes = ReadAll(file);
  EXPECT_THAT(Bytes(bytes.begin(), bytes.begin() + (1 << 19)), Each(0));
  EXPECT_THAT(Bytes(bytes.begin() + (1 << 19), bytes.end()), Each(1));

  const FailingCalls calls(SystemCallKind::kPunchHole, EOPNOTSUPP);
  EXPECT_THAT(file.PunchHole(0, 4096), IsOkAndHolds(false));
}

TEST_F(FileTest, WriteBackReportsWhatAFlushWould) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  EXPECT_THAT(file.WriteAt(0, Bytes(1 << 20, 1)), IsOk());
  EXPECT_THAT(file.StartWriteBack(4096, 1 << 19), IsOk());
  EXPECT_THAT(file.AwaitWriteBack(4096, 1 << 19), IsOk());
  const auto start = [&](int error) {
    const FailingCalls calls(SystemCallKind::kWriteBack, error);
    return file.StartWriteBack(0, 4096);
  };
  const auto await = [&](int error) {
    const FailingCalls calls(SystemCallKind::kAwaitWriteBack, error);
    return file.AwaitWriteBack(0, 4096);
  };
  EXPECT_THAT(start(EIO), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(await(EIO), StatusIs(absl::StatusCode::kInternal));
  // Where the kernel has no such call, the flush does all.
  EXPECT_THAT(start(ENOSYS), IsOk());
  EXPECT_THAT(await(ENOSYS), IsOk());
  // Likewise where it has no memory to begin. Who waits is told what became of a write.
  EXPECT_THAT(start(ENOMEM), IsOk());
  EXPECT_THAT(await(ENOMEM), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(FileTest, IdentityIsThatOfTheFileNotOfItsName) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const File file, File::CreateExclusive(path_));
  ASSERT_EQ(link(path_.c_str(), dir_.File("link").c_str()), 0);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const File same,
                                File::Open(dir_.File("link"), OpenMode::kReadOnly));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const File other, File::CreateExclusive(dir_.File("other")));
  EXPECT_EQ(file.Identity(), same.Identity());
  EXPECT_NE(file.Identity(), other.Identity());
  EXPECT_EQ(file.Info().value().identity, file.Identity());
}

TEST_F(FileTest, LocksExcludeOtherOpenings) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  ESPALIER_ASSERT_OK_AND_ASSIGN(File other, File::Open(path_, OpenMode::kReadWrite));
  EXPECT_THAT(file.LockExclusive(), IsOk());
  EXPECT_THAT(file.LockExclusive(), IsOk());
  EXPECT_THAT(other.LockExclusive(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path_)));
  EXPECT_THAT(other.LockShared(), StatusIs(absl::StatusCode::kUnavailable));
  // Closing another descriptor of the file does not release an OFD lock.
  EXPECT_THAT(File::Open(path_, OpenMode::kReadWrite), IsOk());
  EXPECT_THAT(other.LockShared(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(file.LockShared(), IsOk());
  EXPECT_THAT(other.LockShared(), IsOk());
  EXPECT_THAT(other.LockExclusive(), StatusIs(absl::StatusCode::kUnavailable));
  file = std::move(other);
  EXPECT_THAT(file.LockExclusive(), IsOk());
}

// Runs `in_child` in a fork child and then, while the child still lives, `in_parent`. The test
// fails if `in_child` returned false.
void WithForkChild(const std::function<bool()>& in_child, const std::function<void()>& in_parent) {
  int to_parent[2];
  int to_child[2];
  ASSERT_EQ(pipe(to_parent), 0);
  ASSERT_EQ(pipe(to_child), 0);
  char byte = 0;
  const pid_t child = fork();
  if (child == 0) {
    close(to_child[1]);
    if (!in_child() || write(to_parent[1], &byte, 1) != 1) _exit(1);
    _exit(static_cast<int>(read(to_child[0], &byte, 1)));  // 0 when the parent closes its end
  }
  close(to_parent[1]);
  EXPECT_EQ(read(to_parent[0], &byte, 1), 1);
  in_parent();
  close(to_parent[0]);
  close(to_child[0]);
  close(to_child[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(FileTest, DestructionReleasesTheLockThoughAForkChildHasTheDescriptor) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File next, File::CreateExclusive(path_));
  auto file = std::make_unique<File>(File::Open(path_, OpenMode::kReadWrite).value());
  ASSERT_THAT(file->LockExclusive(), IsOk());
  WithForkChild([] { return true; },
                [&] {
                  file.reset();
                  EXPECT_THAT(next.LockExclusive(), IsOk());
                });
}

TEST_F(FileTest, AForkChildLeavesTheLockToItsParent) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File other, File::CreateExclusive(path_));
  for (const bool with_hook : {false, true}) {
    auto file = std::make_unique<File>(File::Open(path_, OpenMode::kReadWrite).value());
    ASSERT_THAT(file->LockExclusive(), IsOk());
    const int fd = file->fd();
    const ForkHook hook([&] {
      if (with_hook) file->CloseInForkChild();
    });
    WithForkChild(
        [&] {
          const bool closed_by_hook = fcntl(fd, F_GETFD) == -1 && errno == EBADF;
          file.reset();
          return closed_by_hook == with_hook;
        },
        [&] { EXPECT_THAT(other.LockExclusive(), StatusIs(absl::StatusCode::kUnavailable)); });
  }
}

TEST_F(FileTest, InMemoryFilesBehaveAsFiles) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateInMemory("name"));
  EXPECT_EQ(file.path(), "memfd:name");
  EXPECT_THAT(file.Allocate(0, 8192), IsOk());
  EXPECT_THAT(file.WriteAt(4096, Bytes{1}), IsOk());
  EXPECT_THAT(file.PunchHole(4096, 4096), IsOkAndHolds(true));
  EXPECT_THAT(ReadAll(file), Each(0));
  EXPECT_THAT(file.SyncData(), IsOk());
  EXPECT_THAT(file.LockExclusive(), IsOk());
  // Opened again through /proc, it is the same file with locks of its own.
  ESPALIER_ASSERT_OK_AND_ASSIGN(
      File again, File::Open("/proc/self/fd/" + std::to_string(file.fd()), OpenMode::kReadWrite));
  EXPECT_EQ(again.Identity(), file.Identity());
  EXPECT_THAT(again.LockShared(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(FileTest, AMovedFromFileFailsEveryCall) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::CreateExclusive(path_));
  const File moved = std::move(file);
  // NOLINTBEGIN(bugprone-use-after-move, clang-analyzer-cplusplus.Move): it is what is tested.
  EXPECT_EQ(file.fd(), -1);
  EXPECT_FALSE(file.Size().ok());
  EXPECT_FALSE(file.WriteAt(0, Bytes{1}).ok());
  // NOLINTEND(bugprone-use-after-move, clang-analyzer-cplusplus.Move)
  EXPECT_THAT(moved.Size(), IsOkAndHolds(0u));
}

}  // namespace
}  // namespace espalier::os
