// The crash recorder misses no store to a mapping: the pages that the kernel saw stored to are
// those that the recorder knows, for the operations of the crash laboratory, at every point where
// it lets the power fail.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "engine/base/seed_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_totals.h"
#include "tests/crash/crash_workload.h"
#include "tests/crash/disk_image.h"
#include "tests/crash/recorded_disk.h"
#include "tests/crash/store_witness.h"

namespace espalier::testing {
namespace {

using ::testing::HasSubstr;

class RecorderCompletenessTest : public ::testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (const std::string reason = StoreWitness::Unavailable(); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }
};

unsigned long long Printable(uint64_t number) { return number; }

TEST_P(RecorderCompletenessTest, OfRandomJourneys) {
  const uint64_t seed = TestSeed(1);
  constexpr int kJourneys = 6;
  constexpr int kSteps = 40;
  std::mt19937_64 random(seed);
  StoreWitness witness;
  CrashLab unused("none", seed);
  for (int journey = 0; journey < kJourneys; ++journey) {
    CrashWorkload::Setting setting;
    setting.place = GetParam();
    setting.crash_while_opening = true;
    setting.seed = random();
    setting.witness = &witness;
    std::optional<CrashedDatabase> start;
    if (journey % 4 != 0) start = SmallDatabase();
    CrashWorkload workload(unused, setting, start);
    for (int step = 0; step < kSteps; ++step) {
      const auto operation = static_cast<Operation>(random() % kOperations);
      workload.Perform(operation, static_cast<Durability>(random() % 3));
    }
    workload.Close();
    ASSERT_EQ(workload.problem(), "") << "journey " << journey << ", seed " << setting.seed;
  }
  const StoreWitness::Counts& counts = witness.counts();
  std::printf(
      "%llu looks: %llu pages stored to; %llu changed, %llu of them by calls alone; "
      "%llu stored to after the recorder's look\n",
      Printable(counts.looks), Printable(counts.stored), Printable(counts.changed),
      Printable(counts.by_call), Printable(counts.later));
  EXPECT_GT(counts.looks, 400u);
  EXPECT_GT(counts.changed, counts.by_call);
  EXPECT_LT(counts.later, counts.stored / 10) << "too much is put off";
}

INSTANTIATE_TEST_SUITE_P(InMemory, RecorderCompletenessTest,
                         ::testing::Values(Place::kMemory, Place::kMemoryMapped));

// A recorder's disk that is kept by hand, and a mapping of a file of four pages in it.
class StoreWitnessTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kPage = kImageBlockBytes;
  static constexpr uint64_t kPages = 4;

  void SetUp() override {
    if (const std::string reason = StoreWitness::Unavailable(); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    witness_.emplace();
    witness_->Watch(directory_.path());
    view_ = MapNew("known");
    disk_.emplace(ReadDirectory(directory_.path()));
    witness_->Look(*disk_);
  }

  // Not unmapped: the process ends soon.
  uint8_t* MapNew(const std::string& name) {
    const std::string path = directory_.path() + "/" + name;
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(ftruncate(fd, kPages * kPage), 0);
    void* const view = mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_NE(view, MAP_FAILED);
    witness_->AfterCall({.kind = os::SystemCallKind::kMap, .path = path, .fd = fd}, 0);
    close(fd);
    return static_cast<uint8_t*>(view);
  }

  // What the recorder does when it looks at the page.
  void Record(uint64_t page, const uint8_t* bytes) {
    disk_->Find("known")->SeeBytes(page * kPage, std::span(bytes, kPage), disk_->Now());
  }

  const os::TempDir directory_{"/dev/shm"};
  std::optional<StoreWitness> witness_;
  std::optional<RecordedDisk> disk_;
  uint8_t* view_ = nullptr;
};

TEST_F(StoreWitnessTest, CountsWhatIsRecorded) {
  view_[2 * kPage + 5] = 1;
  Record(2, view_ + 2 * kPage);
  view_[3 * kPage] = 0;  // as it was
  witness_->Look(*disk_);
  EXPECT_EQ(witness_->problem(), "");
  EXPECT_EQ(witness_->counts().stored, 2u);
  EXPECT_EQ(witness_->counts().changed, 1u);
  EXPECT_EQ(witness_->counts().by_call, 0u);
}

TEST_F(StoreWitnessTest, FindsAStoreThatTheRecorderDidNotSee) {
  view_[2 * kPage + 5] = 1;
  witness_->Look(*disk_);
  EXPECT_EQ(witness_->counts().later, 1u);
  witness_->Look(*disk_);
  EXPECT_THAT(witness_->problem(), HasSubstr("did not see: page 2 of known"));
}

TEST_F(StoreWitnessTest, FindsAFileThatTheRecorderDoesNotHave) {
  MapNew("unknown")[0] = 1;
  witness_->Look(*disk_);
  EXPECT_THAT(witness_->problem(), HasSubstr("does not have"));
}

TEST_F(StoreWitnessTest, FindsAChangeThatNobodyMade) {
  const std::string invented(kPage, 'x');
  Record(1, reinterpret_cast<const uint8_t*>(invented.data()));
  witness_->Look(*disk_);
  EXPECT_THAT(witness_->problem(), HasSubstr("nobody made: page 1 of known"));
}

}  // namespace
}  // namespace espalier::testing
