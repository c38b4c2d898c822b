// The n-th system call of a kind fails, n = 1, 2, 3..., until a database lives its whole life
// without meeting it: once, or for ever; with one error or another, or by doing half its work.
// Whatever comes of it, nothing that was acknowledged is lost, nothing that failed is there in
// part, the first failed flush poisons the handle (INV-9), and no temporary file is left (INV-14).
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"
#include "tests/fault/life.h"
#include "tests/support/child_process.h"
#include "tests/support/shared_memory.h"

namespace espalier::testing {
namespace {

using os::SystemCallKind;
using Effect = Fault::Effect;

struct Kind {
  SystemCallKind kind;
  std::string_view name;
  bool retried;  // on EINTR
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

// Each n in the long target; otherwise, where there are many calls, some are left out.
int Next(int n) { return std::getenv("ESPALIER_EVERY_CALL") != nullptr ? n + 1 : n + 1 + n / 16; }

// More calls than any life makes of one kind.
constexpr int kNever = 5000;
// So many failures show well enough what is wrong.
constexpr int kEnoughFailures = 4;

std::string FilesBeside(const std::string& directory, std::string_view database) {
  std::string names;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const std::string name = file.path().filename();
    if (name != database) absl::StrAppend(&names, " ", name);
  }
  return names;
}

std::string CheckInChild(const std::string& path, const History& history) {
  return InChild([&]() -> std::string {
    absl::StatusOr<Database> db = Database::Open(path, LifeOptions());
    if (!db.ok()) return absl::StrCat("Open: ", db.status().ToString());
    std::string problems = CheckHistory(*db, history);
    const absl::Status written = db->Put(db->default_keyspace(), "after", "all").status();
    if (!written.ok()) absl::StrAppend(&problems, "Put: ", written.ToString(), "\n");
    if (const absl::Status closed = db->Close(); !closed.ok()) {
      absl::StrAppend(&problems, "Close: ", closed.ToString());
    }
    return problems;
  });
}

class NthCallTest : public ::testing::TestWithParam<Kind> {
 protected:
  // Thousands of lives with some hundred calls each, of which nothing has to outlive the machine:
  // in memory that takes minutes, on a disk it would take hours. $ESPALIER_ON_DISK has them there.
  static void SetUpTestSuite() {
    if (std::getenv("ESPALIER_ON_DISK") == nullptr && access("/dev/shm", W_OK) == 0) {
      setenv("TEST_TMPDIR", "/dev/shm", /*overwrite=*/1);
    }
  }

  // What is wrong; `calls` becomes the number of calls of the kind.
  static std::string LiveWith(const Fault& fault, int& calls, int& errors) {
    const os::TempDir dir;
    const std::string path = dir.File("db.esp");
    const SharedMemory<LifeState> state;
    std::string problems = LiveFirst(path, fault, *state);
    problems += LiveSecond(path, fault, *state);
    const std::string left = FilesBeside(dir.path(), "db.esp");
    if (left.find(".espalier-new-") != std::string::npos && fault.kind != SystemCallKind::kRemove) {
      absl::StrAppend(&problems, "left behind:", left, "\n");
    }
    problems += CheckInChild(path, state->history);
    const std::string after = FilesBeside(dir.path(), "db.esp");
    if (problems.empty() && !after.empty() && after.find(".espalier-new-") == std::string::npos) {
      absl::StrAppend(&problems, "there after closing:", after, "\n");
    }
    calls = state->faults.calls.load();
    errors = state->errors.load();
    return problems;
  }

  static void TryEachCall(Fault fault, bool must_get_through) {
    int failures = 0;
    for (fault.n = 1; failures < kEnoughFailures; fault.n = Next(fault.n)) {
      SCOPED_TRACE(fault.Name());
      int calls = 0;
      int errors = 0;
      const std::string problems = LiveWith(fault, calls, errors);
      EXPECT_EQ(problems, "");
      failures += problems.empty() ? 0 : 1;
      if (must_get_through) {
        EXPECT_EQ(errors, 0) << "it should have gone through";
        failures += errors == 0 ? 0 : 1;
      }
      EXPECT_GT(calls, 0) << "there is no such call";
      if (calls < fault.n) break;
      ASSERT_LT(fault.n, kNever);
    }
  }
};

TEST_P(NthCallTest, FailsOnce) {
  for (const int error : {EIO, ENOSPC, ENOMEM, EINVAL}) {
    TryEachCall({.kind = GetParam().kind, .error = error}, /*must_get_through=*/false);
  }
}

TEST_P(NthCallTest, FailsForEver) {
  for (const int error : {EIO, ENOSPC, ENOMEM}) {
    TryEachCall({.kind = GetParam().kind, .for_ever = true, .error = error},
                /*must_get_through=*/false);
  }
}

TEST_P(NthCallTest, IsInterrupted) {
  TryEachCall({.kind = GetParam().kind, .error = EINTR}, GetParam().retried);
}

INSTANTIATE_TEST_SUITE_P(
    EachKind, NthCallTest,
    ::testing::Values(
        Kind{SystemCallKind::kOpen, "kOpen", true}, Kind{SystemCallKind::kCreate, "kCreate", true},
        Kind{SystemCallKind::kStat, "kStat", false}, Kind{SystemCallKind::kRead, "kRead", true},
        Kind{SystemCallKind::kWrite, "kWrite", true},
        Kind{SystemCallKind::kTruncate, "kTruncate", true},
        Kind{SystemCallKind::kAllocate, "kAllocate", true},
        Kind{SystemCallKind::kPunchHole, "kPunchHole", true},
        Kind{SystemCallKind::kWriteBack, "kWriteBack", false},
        Kind{SystemCallKind::kAwaitWriteBack, "kAwaitWriteBack", false},
        Kind{SystemCallKind::kSyncData, "kSyncData", false},
        Kind{SystemCallKind::kSyncAll, "kSyncAll", false},
        Kind{SystemCallKind::kLock, "kLock", true}, Kind{SystemCallKind::kRename, "kRename", false},
        Kind{SystemCallKind::kRemove, "kRemove", false},
        Kind{SystemCallKind::kResolve, "kResolve", false},
        Kind{SystemCallKind::kMap, "kMap", false}, Kind{SystemCallKind::kAdvise, "kAdvise", false},
        Kind{SystemCallKind::kPopulate, "kPopulate", true},
        Kind{SystemCallKind::kSyncMapping, "kSyncMapping", false}),
    [](const ::testing::TestParamInfo<Kind>& kind) { return std::string(kind.param.name); });

// Some of the bytes, and then the rest.
TEST_F(NthCallTest, WritesAndReadsInPart) {
  for (const SystemCallKind kind : {SystemCallKind::kWrite, SystemCallKind::kRead}) {
    for (const bool for_ever : {false, true}) {
      TryEachCall({.kind = kind, .for_ever = for_ever, .effect = Effect::kShort},
                  /*must_get_through=*/true);
    }
  }
}

// As a disk does that becomes full.
TEST_F(NthCallTest, WritesInPartAndThenFails) {
  for (const int error : {EIO, ENOSPC}) {
    TryEachCall({.kind = SystemCallKind::kWrite, .effect = Effect::kShortThenError, .error = error},
                /*must_get_through=*/false);
  }
}

// The canary: a history in which a commit is said to be acknowledged that failed.
TEST_F(NthCallTest, FindsAFalseAcknowledgement) {
  const os::TempDir dir;
  const SharedMemory<LifeState> state;
  const Fault fault = {
      .kind = SystemCallKind::kSyncMapping, .n = 2, .for_ever = true, .error = EIO};
  EXPECT_EQ(LiveFirst(dir.File("db.esp"), fault, *state), "");
  for (History::Commit& commit : state->history.commits) {
    if (commit.outcome == Outcome::kRefused) commit.outcome = Outcome::kAcknowledged;
  }
  EXPECT_NE(CheckInChild(dir.File("db.esp"), state->history), "");
}

}  // namespace
}  // namespace espalier::testing
