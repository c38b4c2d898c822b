// The canaries: a disk that does not do what it says must be caught, or the other tests here prove
// nothing.
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_totals.h"
#include "tests/crash/crash_workload.h"

namespace espalier::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kLost[] = "acknowledged commits are lost";

using Work = std::vector<Operation>;

Work Everything() {
  Work work;
  for (int i = 0; i < kOperations; ++i) work.push_back(static_cast<Operation>(i));
  return work;
}
const Work kCommits = {Operation::kPut, Operation::kOverwrite, Operation::kDelete};
const Work kReopenings = {Operation::kPut, Operation::kReopen};

class CrashCanaryTest : public ::testing::Test {
 protected:
  // What is found to be wrong with a disk that lies. It does so when the database is in use
  // already: that a log or a slot is missing altogether is found too easily.
  std::string Find(Lie lie, Place place, const Work& work = Everything()) {
    const uint64_t seed = TestSeed(1);
    CrashLab lab("canary", seed);
    CrashWorkload::Setting setting;
    setting.place = place;
    setting.seed = seed;
    setting.crash_one_in = 4;
    CrashWorkload workload(lab, setting, start_);
    workload.Perform(Operation::kPut);
    workload.set_lie(lie);
    workload.set_crashing(true);
    std::mt19937_64 random(seed);
    for (int step = 0; step < 40 && workload.problem().empty(); ++step) {
      workload.Perform(work[random() % work.size()]);
    }
    std::printf("%s\n", workload.problem().c_str());
    direct_writes_ += workload.counts().direct_writes;
    if (lie == Lie::kNone) return workload.problem();
    // Caught by comparing images, not because the work itself went wrong.
    return workload.problem().starts_with("crash ") ? workload.problem() : "";
  }

  const CrashedDatabase start_ = SmallDatabase();
  uint64_t direct_writes_ = 0;
};

TEST_F(CrashCanaryTest, NoLieIsNoProblem) {
  EXPECT_EQ(Find(Lie::kNone, Place::kMemory), "");
  EXPECT_EQ(Find(Lie::kNone, Place::kMemoryMapped), "");
}

TEST_F(CrashCanaryTest, WithoutTheFlushOfTheData) {
  EXPECT_NE(Find(Lie::kDataIsNotFlushed, Place::kMemory), "");
}

TEST_F(CrashCanaryTest, WithoutTheFlushOfTheSlot) {
  EXPECT_NE(Find(Lie::kSlotIsNotFlushed, Place::kMemory), "");
}

TEST_F(CrashCanaryTest, WithoutTheFlushOfTheLog) {
  EXPECT_NE(Find(Lie::kLogIsNotFlushed, Place::kMemoryMapped), "");
  EXPECT_THAT(Find(Lie::kLogIsNotFlushed, Place::kMemoryMapped, kCommits), HasSubstr(kLost));
}

TEST_F(CrashCanaryTest, WithDirectWritesThatAreNotDurable) {
  const std::string found = Find(Lie::kDirectIsNotDurable, Place::kMemory);
  if (direct_writes_ == 0) GTEST_SKIP() << "tmpfs has no direct writes here";
  EXPECT_NE(found, "");
  EXPECT_THAT(Find(Lie::kDirectIsNotDurable, Place::kMemory, kCommits), HasSubstr(kLost));
}

TEST_F(CrashCanaryTest, WithoutTheFlushOfTheNames) {
  EXPECT_NE(Find(Lie::kNamesAreNotFlushed, Place::kMemory, kReopenings), "");
}

}  // namespace
}  // namespace espalier::testing
