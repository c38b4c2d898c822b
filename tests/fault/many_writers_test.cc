// The n-th system call fails while eight threads commit and share flushes: those whose flush failed
// are told so, and what the others were told holds.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fault/faulty_calls.h"
#include "tests/kill/check.h"
#include "tests/kill/writer.h"
#include "tests/support/child_process.h"
#include "tests/support/shared_memory.h"

namespace espalier::testing {
namespace {

using os::SystemCallKind;

// Far more than the writers take.
constexpr unsigned kPatienceSeconds = 30;
constexpr int kNever = 20000;

struct Shared {
  FaultCounter faults;
  Ledger ledger;
};

struct Kind {
  SystemCallKind kind;
  std::string_view name;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class ManyWritersTest : public ::testing::TestWithParam<Kind> {
 protected:
  // As in nth_call_test.
  static void SetUpTestSuite() {
    if (std::getenv("ESPALIER_ON_DISK") == nullptr && access("/dev/shm", W_OK) == 0) {
      setenv("TEST_TMPDIR", "/dev/shm", /*overwrite=*/1);
    }
  }

  struct Found {
    std::string problems;
    bool met = false;  // there were as many calls
  };
  Found Try(const Fault& fault, Dishonesty dishonesty = Dishonesty::kNone) const {
    const os::TempDir dir;
    const SharedMemory<Shared> shared;
    const WriterTask task = {
        .path = dir.File("db.esp"), .seed = seed_, .commits = 12, .dishonesty = dishonesty};
    // What the writers say went wrong was made to; how they end is what counts.
    const std::string ended = InChild([&]() -> std::string {
      alarm(kPatienceSeconds);
      const FaultyCalls calls(fault, &shared->faults);
      static_cast<void>(RunWriter(task, shared->ledger));
      return "";
    });
    return {ended + CheckInChild(task.path, seed_, shared->ledger, AfterCheck::kClose),
            shared->faults.calls >= fault.n};
  }

  void TryEachCall(Fault fault) const {
    for (fault.n = 1; !HasFailure(); fault.n += 1 + fault.n / 16) {
      SCOPED_TRACE(fault.Name());
      const Found found = Try(fault);
      EXPECT_EQ(found.problems, "");
      if (!found.met) break;
      ASSERT_LT(fault.n, kNever);
    }
  }

  const uint64_t seed_ = TestSeed();
};

TEST_P(ManyWritersTest, FailsOnce) {
  for (const int error : {EIO, ENOSPC}) TryEachCall({.kind = GetParam().kind, .error = error});
}

TEST_P(ManyWritersTest, FailsForEver) {
  for (const int error : {EIO, ENOSPC}) {
    TryEachCall({.kind = GetParam().kind, .for_ever = true, .error = error});
  }
}

class ManyWritersCanaryTest : public ManyWritersTest {};

TEST_F(ManyWritersCanaryTest, FindsAnAcknowledgementThatCameEarly) {
  Fault fault = {.kind = SystemCallKind::kWrite, .error = EIO};
  Found found = {.problems = "", .met = true};
  for (fault.n = 1; found.problems.empty() && found.met; ++fault.n) {
    found = Try(fault, Dishonesty::kAcknowledgesEarly);
  }
  EXPECT_THAT(found.problems, ::testing::HasSubstr("was acknowledged, but"));
}

INSTANTIATE_TEST_SUITE_P(EachKind, ManyWritersTest,
                         ::testing::Values(Kind{SystemCallKind::kWrite, "kWrite"},
                                           Kind{SystemCallKind::kSyncMapping, "kSyncMapping"},
                                           Kind{SystemCallKind::kWriteBack, "kWriteBack"},
                                           Kind{SystemCallKind::kSyncData, "kSyncData"},
                                           Kind{SystemCallKind::kSyncAll, "kSyncAll"},
                                           Kind{SystemCallKind::kAllocate, "kAllocate"},
                                           Kind{SystemCallKind::kRemove, "kRemove"},
                                           Kind{SystemCallKind::kRename, "kRename"}),
                         [](const ::testing::TestParamInfo<Kind>& kind) {
                           return std::string(kind.param.name);
                         });

}  // namespace
}  // namespace espalier::testing
