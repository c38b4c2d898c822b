// Loss of power at any point: whatever has reached the disk of what was not flushed, the database
// opens to the state after a prefix of the commits, with everything that was acknowledged as
// durable.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_totals.h"
#include "tests/crash/crash_workload.h"

namespace espalier::testing {
namespace {

// Some, in full.
constexpr int kReportedViolations = 8;

class CrashImagesTest : public ::testing::Test {
 protected:
  void Report(const std::string& what, const CrashWorkload& workload) {
    counts_.direct_writes += workload.counts().direct_writes;
    counts_.log_flushes += workload.counts().log_flushes;
    if (workload.problem().empty()) return;
    if (++violations_ <= kReportedViolations) ADD_FAILURE() << what << ": " << workload.problem();
  }

  void Account(const CrashLab& lab) const {
    testing::Account(lab);
    std::printf("  the log was written by %llu direct writes and %llu msyncs\n",
                static_cast<unsigned long long>(counts_.direct_writes),
                static_cast<unsigned long long>(counts_.log_flushes));
    EXPECT_EQ(violations_, 0);
  }

  // Of violations: more of them say no more.
  bool Enough() const {
    return violations_ >= (GTEST_FLAG_GET(fail_fast) ? 1 : kReportedViolations);
  }

  // Crashes in the recovery from crashes, and in what comes after it: what the log has behind its
  // end must not come back.
  void CrashRecoveries(std::vector<CrashedDatabase> kept, size_t most, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::shuffle(kept.begin(), kept.end(), random);
    kept.resize(std::min(kept.size(), most));
    for (const CrashedDatabase& start : kept) {
      if (Enough()) return;
      CrashWorkload::Setting setting;
      setting.place = random() % 2 == 0 ? Place::kMemory : Place::kMemoryMapped;
      setting.budget = {.exhaustive = 32, .sampled = 6};
      setting.crash_while_opening = true;
      setting.seed = random();
      CrashWorkload workload(recoveries_, setting, start);
      const auto some = [&](int operations) {
        return static_cast<Operation>(random() % operations);
      };
      workload.Perform(some(4), random() % 2 == 0 ? Durability::kSync : Durability::kAsync);
      workload.Perform(some(kShortOperations), Durability::kSync);
      Report(absl::StrCat("recovery, seed ", setting.seed), workload);
    }
  }

  CrashLab recoveries_{"recoveries", TestSeed(1)};
  CrashRecorder::Counts counts_;
  int violations_ = 0;
};

// Every sequence of up to three operations. The power fails in the last of them: where it fails in
// those before is the business of the shorter sequences.
TEST_F(CrashImagesTest, OfShortSequences) {
  const uint64_t seed = TestSeed(1);
  const CrashedDatabase start = SmallDatabase();
  CrashLab lab("short sequences", seed);
  lab.KeepEvery(50);
  uint64_t number = 0;
  for (int length = 1; length <= 3; ++length) {
    int sequences = 1;
    for (int i = 0; i < length; ++i) sequences *= kShortOperations;
    for (int sequence = 0; sequence < sequences && !Enough(); ++sequence) {
      CrashWorkload::Setting setting;
      setting.place = number % 2 == 0 ? Place::kMemory : Place::kMemoryMapped;
      if (length < 3 && number % 16 == 0) setting.place = Place::kDisk;
      if (length == 3 && !IsLongTest()) {
        setting.crash_one_in = 4;
        setting.budget = {.exhaustive = 12, .sampled = 6};
      }
      setting.seed = seed + ++number;
      CrashWorkload workload(lab, setting, start);
      std::string name;
      for (int i = 0, rest = sequence; i < length; ++i, rest /= kShortOperations) {
        const auto operation = static_cast<Operation>(rest % kShortOperations);
        name += absl::StrCat(i == 0 ? "" : ", ", std::string(NameOf(operation)));
        workload.set_crashing(i == length - 1);
        workload.Perform(operation);
      }
      Report(absl::StrCat("[", name, "] on ", std::string(NameOf(setting.place))), workload);
    }
  }
  CrashRecoveries(lab.TakeKept(), IsLongTest() ? 1000 : 40, seed);
  Account(lab);
  testing::Account(recoveries_);
}

// What a process that dies leaves in the page cache comes back for the next one, which makes it
// durable before it goes on: log, and the large values that it refers to.
TEST_F(CrashImagesTest, OfAbandonedCommits) {
  const uint64_t seed = TestSeed(1);
  const CrashedDatabase start = SmallDatabase();
  CrashLab lab("abandoned", seed);
  for (const Operation operation : {Operation::kPut, Operation::kLargeValue, Operation::kGrow,
                                    Operation::kLoggedByReference, Operation::kFillTheLog}) {
    for (const Place place : {Place::kMemory, Place::kMemoryMapped}) {
      CrashWorkload::Setting setting;
      setting.place = place;
      setting.budget = {.exhaustive = 32, .sampled = 12};
      setting.seed = seed;
      CrashWorkload workload(lab, setting, start);
      workload.set_crashing(true);
      for (int round = 0; round < 2; ++round) {
        workload.Perform(operation, Durability::kAsync);
        workload.Perform(Operation::kAbandon);
        workload.Perform(Operation::kPut, Durability::kSync);
        workload.Perform(operation, Durability::kAsync);
        workload.Perform(Operation::kAbandon);
      }
      Report(absl::StrCat(std::string(NameOf(operation)), " on ", std::string(NameOf(place))),
             workload);
    }
  }
  Account(lab);
}

// INV-14: there is no database, or an empty one; and an empty one once Open() has returned.
TEST_F(CrashImagesTest, OfCreation) {
  const uint64_t seed = TestSeed(1);
  CrashLab lab("creation", seed);
  for (const Place place : {Place::kDisk, Place::kMemory, Place::kMemoryMapped}) {
    CrashWorkload::Setting setting;
    setting.place = place;
    setting.budget = {.exhaustive = 256, .sampled = 256};
    setting.crash_while_opening = true;
    setting.seed = seed;
    CrashWorkload workload(lab, setting, std::nullopt);
    workload.Perform(Operation::kPut);
    workload.Perform(Operation::kReopen);
    workload.Perform(Operation::kCreateKeyspace);
    workload.Perform(Operation::kAbandon);
    Report(absl::StrCat("creation on ", std::string(NameOf(place))), workload);
  }
  Account(lab);
}

Durability SomeDurability(uint64_t number) {
  switch (number % 4) {
    case 0:
      return Durability::kAsync;
    case 1:
      return number / 4 % 3 == 0 ? Durability::kCheckpoint : Durability::kAsync;
    default:
      return Durability::kSync;
  }
}

TEST_F(CrashImagesTest, OfOtherOptions) {
  const uint64_t seed = TestSeed(1);
  CrashLab lab("other options", seed);
  for (uint64_t i = 0; i < (IsLongTest() ? 200 : 20) && !Enough(); ++i) {
    CrashWorkload::Setting setting;
    setting.place = i % 2 == 0 ? Place::kMemory : Place::kMemoryMapped;
    setting.seed = seed + i;
    setting.page_size_bytes = i % 4 < 2 ? 16384 : 4096;
    setting.protect_from_stray_stores = i % 3 != 0;
    if (i % 5 == 0) setting.log_size_bytes = 8 * kSmallLogBytes;
    setting.crash_one_in = 4;
    setting.budget = {.exhaustive = 32, .sampled = 10};
    CrashWorkload workload(lab, setting, std::nullopt);
    std::mt19937_64 random(setting.seed);
    for (int step = 0; step < 16; ++step) {
      // First something to go on with.
      workload.set_crashing(step >= 4);
      workload.Perform(static_cast<Operation>(random() % kOperations), SomeDurability(random()));
    }
    workload.Close();
    Report(absl::StrCat("other options, seed ", setting.seed), workload);
  }
  Account(lab);
}

// Longer ones, of all operations and durabilities; the log goes round, and checkpoints are taken in
// the background. Last: it goes on until there are as many images as were wanted.
TEST_F(CrashImagesTest, OfRandomJourneys) {
  const uint64_t seed = TestSeed(1);
  const CrashedDatabase start = SmallDatabase();
  CrashLab lab("journeys", seed);
  lab.KeepEvery(100);
  for (uint64_t i = 0; !Enough() && (i < 200 || TotalImages() + lab.statistics().images +
                                                        recoveries_.statistics().images <
                                                    WantedImages());
       ++i) {
    CrashWorkload::Setting setting;
    setting.place = i % 25 == 0 ? Place::kDisk : i % 2 == 0 ? Place::kMemory : Place::kMemoryMapped;
    setting.seed = seed + i;
    setting.crash_one_in = IsLongTest() ? 4 : 12;
    if (!IsLongTest()) setting.budget = {.exhaustive = 32, .sampled = 10};
    CrashWorkload workload(lab, setting, start);
    workload.set_crashing(true);
    std::mt19937_64 random(setting.seed);
    const uint64_t last = i % 3;  // full logs, many small commits, everything
    for (int step = 0; step < 20; ++step) {
      auto operation = static_cast<Operation>(random() % kOperations);
      if (last == 0 && random() % 3 == 0) operation = Operation::kFillTheLog;
      if (last == 1 && random() % 2 == 0) operation = Operation::kOverwrite;
      const Durability durability = i % 7 == 3 ? Durability::kCheckpoint : SomeDurability(random());
      workload.Perform(operation, durability);
    }
    workload.Close();
    Report(absl::StrCat("journey, seed ", setting.seed, " on ", std::string(NameOf(setting.place))),
           workload);
    if (i % 50 == 49) CrashRecoveries(lab.TakeKept(), IsLongTest() ? 100 : 8, seed + i);
  }
  Account(lab);
  testing::Account(recoveries_);
  EXPECT_TRUE(Enough() || TotalImages() >= WantedImages()) << TotalImages();
}

}  // namespace
}  // namespace espalier::testing
