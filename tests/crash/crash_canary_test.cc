// The canaries: a disk that does not do what it says must be caught, or the other tests here prove
// nothing.
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>

#include "engine/base/seed_for_testing.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_totals.h"
#include "tests/crash/crash_workload.h"

namespace espalier::testing {
namespace {

class CrashCanaryTest : public ::testing::Test {
 protected:
  // What is found to be wrong with a disk that lies; the journey is the same for all lies.
  std::string Find(Lie lie, Place place) {
    const uint64_t seed = TestSeed(1);
    CrashLab lab("canary", seed);
    CrashWorkload::Setting setting;
    setting.place = place;
    setting.lie = lie;
    setting.seed = seed;
    setting.crash_one_in = 4;
    CrashWorkload workload(lab, setting, start_);
    workload.set_crashing(true);
    std::mt19937_64 random(seed);
    for (int step = 0; step < 60 && workload.problem().empty(); ++step) {
      workload.Perform(static_cast<Operation>(random() % kOperations));
    }
    std::printf("%s\n", workload.problem().c_str());
    // Caught by comparing images, not because the work itself went wrong.
    return workload.problem().starts_with("crash ") ? workload.problem() : "";
  }

 private:
  const CrashedDatabase start_ = SmallDatabase();
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
}

TEST_F(CrashCanaryTest, WithDirectWritesThatAreNotDurable) {
  EXPECT_NE(Find(Lie::kDirectIsNotDurable, Place::kMemory), "");
}

TEST_F(CrashCanaryTest, WithoutTheFlushOfTheNames) {
  EXPECT_NE(Find(Lie::kNamesAreNotFlushed, Place::kMemory), "");
}

}  // namespace
}  // namespace espalier::testing
