// A writer is killed right before, or right after, the n-th system call of a kind, n = 1, 2, 3...,
// until it gets through without being killed: from the creation of the database to its closing; and
// likewise whoever recovers what a killed writer left.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"
#include "tests/kill/check.h"
#include "tests/kill/writer.h"
#include "tests/support/child_process.h"
#include "tests/support/shared_memory.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

using os::SystemCall;
using os::SystemCallKind;

enum class Moment { kBefore, kAfter };

struct KillPoint {
  SystemCallKind kind;
  std::string_view name;
  Moment moment;
};
void PrintTo(const KillPoint& point, std::ostream* out) {
  *out << (point.moment == Moment::kBefore ? "before " : "after ") << point.name;
}

// Kills its own process at the n-th call.
class KillAtCall : public os::SystemCallObserver {
 public:
  KillAtCall(const KillPoint& point, int n) : point_(point), left_(n) {}

  int BeforeCall(const SystemCall& call) override {
    if (point_.moment == Moment::kBefore) Count(call);
    return 0;
  }
  void AfterCall(const SystemCall& call, int /*result_errno*/) override {
    if (point_.moment == Moment::kAfter) Count(call);
  }

 private:
  void Count(const SystemCall& call) {
    if (call.kind == point_.kind && left_.fetch_sub(1) == 1) kill(getpid(), SIGKILL);
  }

  const KillPoint point_;
  std::atomic<int> left_;
  os::ScopedSystemCallObserver observing_{this};
};

// Each n in the long target; otherwise, where there are many calls, some are left out.
int Next(int n) { return std::getenv("ESPALIER_EVERY_CALL") != nullptr ? n + 1 : n + 1 + n / 32; }

// Too many to be met by a test of this size.
constexpr int kNever = 20000;

std::string RunKilledAt(const KillPoint& point, int n, const WriterTask& task, Ledger& ledger) {
  const KillAtCall observer(point, n);
  return RunWriter(task, ledger);
}

class KillAtCallTest : public ::testing::TestWithParam<KillPoint> {
 protected:
  // A writer's life that ends at the n-th call of the kind, and what it left. True if it came
  // through.
  bool LiveAndCheck(const WriterTask& task, Ledger& ledger, int n) {
    const std::optional<std::string> ended =
        RunUntilKilled([&] { return RunKilledAt(GetParam(), n, task, ledger); });
    EXPECT_EQ(ended.value_or(""), "");
    const AfterCheck after = n % 2 == 0 ? AfterCheck::kClose : AfterCheck::kAbandon;
    EXPECT_EQ(CheckInChild(task.path, seed_, ledger, after), "");
    return ended.has_value();
  }

  const uint64_t seed_ = TestSeed();
};

// Creation, commits, checkpoints, compaction and closing, each time of a fresh database.
TEST_P(KillAtCallTest, OfAWholeLife) {
  for (int n = 1; !HasFailure(); n = Next(n)) {
    SCOPED_TRACE(absl::StrCat("call ", n));
    const os::TempDir dir;
    const SharedMemory<Ledger> ledger;
    if (LiveAndCheck({.path = dir.File("db.esp"), .seed = seed_, .commits = 16}, *ledger, n)) {
      EXPECT_GT(n, 1) << "there is no such call";
      break;
    }
    ASSERT_LT(n, kNever);
  }
}

// Recovery, a few commits and closing, each time of the same left-over.
TEST_P(KillAtCallTest, OfARecovery) {
  const os::TempDir left;
  const WriterTask first = {.path = left.File("db.esp"), .seed = seed_, .commits = 40};
  const SharedMemory<Ledger> ledger;
  const KillPoint in_the_middle = {SystemCallKind::kWrite, "", Moment::kAfter};
  ASSERT_FALSE(
      RunUntilKilled([&] { return RunKilledAt(in_the_middle, 80, first, *ledger); }).has_value())
      << "nothing is left to be recovered";
  const auto copy = [&](const os::TempDir& to) {
    std::filesystem::copy(left.path(), to.path(), std::filesystem::copy_options::recursive);
  };
  // How far the writers came: a check of a copy knows.
  const os::TempDir other;
  copy(other);
  ASSERT_EQ(CheckInChild(other.File("db.esp"), seed_, *ledger, AfterCheck::kAbandon), "");
  std::array<uint64_t, kWriterThreads> found{};
  for (size_t i = 0; i < found.size(); ++i) found[i] = ledger->threads[i].found.load();

  for (int n = 1; !HasFailure(); n = Next(n)) {
    SCOPED_TRACE(absl::StrCat("call ", n));
    const os::TempDir dir;
    copy(dir);
    for (size_t i = 0; i < found.size(); ++i) {
      Ledger::Thread& thread = ledger->threads[i];
      thread.found.store(found[i]);
      thread.attempted.store(found[i]);
      thread.acknowledged.store(found[i]);
    }
    if (LiveAndCheck({.path = dir.File("db.esp"), .seed = seed_, .commits = 3}, *ledger, n)) {
      // Neither a file nor a name is made; the log need not grow, nor any space be given back.
      constexpr std::array kNeedNotBe = {SystemCallKind::kCreate, SystemCallKind::kRename,
                                         SystemCallKind::kSyncData, SystemCallKind::kPunchHole,
                                         SystemCallKind::kTruncate};
      EXPECT_TRUE(n > 1 || std::find(kNeedNotBe.begin(), kNeedNotBe.end(), GetParam().kind) !=
                               kNeedNotBe.end())
          << "there is no such call";
      break;
    }
    ASSERT_LT(n, kNever);
  }
}

// Opens the database and closes it, unless it is killed before.
std::string OpenAndClose(const std::string& path) {
  absl::StatusOr<Database> db = Database::Open(path, WriterOptions());
  return std::string(db.ok() ? db->Close().message() : db.status().message());
}

// Each recovery leaves a record in the log, and only a checkpoint makes room. When a log of 256
// blocks was full of them, nobody could open the database any more.
class KilledRecoveriesTest : public ::testing::Test {
 protected:
  // Leaves a database with a commit in its log.
  KilledRecoveriesTest() {
    EXPECT_EQ(InChild([&]() -> std::string {
                auto* const db = new Database(*Database::Open(path_, WriterOptions()));
                return std::string(db->Put(db->default_keyspace(), "key", "1").status().message());
              }),
              "");
  }

  void ExpectUsable() {
    Database db = *Database::Open(path_, WriterOptions());
    EXPECT_EQ(db.Get(db.default_keyspace(), "key").value_or(""), "1");
    EXPECT_TRUE(db.Put(db.default_keyspace(), "another", "2").ok());
    EXPECT_EQ(VerifyProblems(db), "");
    EXPECT_TRUE(db.Close().ok());
  }

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
};

TEST_F(KilledRecoveriesTest, NoneComesToItsCheckpoint) {
  const auto killed_at = [&](SystemCallKind kind) {
    return !RunUntilKilled([&] {
              const KillAtCall observer({kind, "", Moment::kBefore}, 1);
              return OpenAndClose(path_);
            }).has_value();
  };
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(killed_at(SystemCallKind::kWriteBack)) << "recovery " << i;
  }
  // The log is full, and taken away when a checkpoint has what it held.
  EXPECT_TRUE(killed_at(SystemCallKind::kRemove));
  ExpectUsable();
}

// With nothing to replay there is no checkpoint, and writers waited for room for ever.
TEST_F(KilledRecoveriesTest, NoneHasAnythingToReplay) {
  const auto open = [&](bool checkpoint) {
    return InChild([&]() -> std::string {
      auto* const db = new Database(*Database::Open(path_, WriterOptions()));
      return checkpoint ? std::string(db->Checkpoint().message()) : "";
    });
  };
  ASSERT_EQ(open(true), "");
  // So many that writers have to wait, and not so many that the log is full.
  for (int i = 0; i < 230; ++i) ASSERT_EQ(open(false), "") << "recovery " << i;
  ExpectUsable();
}

#define ESPALIER_KILL_POINTS(kind)                                     \
  KillPoint{SystemCallKind::kind, #kind, Moment::kBefore}, KillPoint { \
    SystemCallKind::kind, #kind, Moment::kAfter                        \
  }

INSTANTIATE_TEST_SUITE_P(
    EachKind, KillAtCallTest,
    ::testing::Values(ESPALIER_KILL_POINTS(kWrite), ESPALIER_KILL_POINTS(kSyncMapping),
                      ESPALIER_KILL_POINTS(kWriteBack), ESPALIER_KILL_POINTS(kSyncData),
                      ESPALIER_KILL_POINTS(kSyncAll), ESPALIER_KILL_POINTS(kRename),
                      ESPALIER_KILL_POINTS(kRemove), ESPALIER_KILL_POINTS(kTruncate),
                      ESPALIER_KILL_POINTS(kAllocate), ESPALIER_KILL_POINTS(kPunchHole),
                      ESPALIER_KILL_POINTS(kMap), ESPALIER_KILL_POINTS(kCreate),
                      ESPALIER_KILL_POINTS(kOpen), ESPALIER_KILL_POINTS(kLock)),
    [](const ::testing::TestParamInfo<KillPoint>& point) {
      return absl::StrCat(point.param.moment == Moment::kBefore ? "Before_" : "After_",
                          std::string(point.param.name));
    });

}  // namespace
}  // namespace espalier::testing
