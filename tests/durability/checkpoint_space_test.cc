// What a checkpoint leaves of free space with the file, and what it gives back.
#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"

namespace espalier {
namespace {

constexpr int kRecords = 60'000;
constexpr size_t kValueBytes = 100;

// Whether the file is given blocks, or loses some.
class SpaceObserver : public os::SystemCallObserver {
 public:
  int given() const { return given_; }
  int taken() const { return taken_; }

  int BeforeCall(const os::SystemCall& call) override {
    using Kind = os::SystemCallKind;
    given_ += call.kind == Kind::kAllocate ? 1 : 0;
    taken_ += call.kind == Kind::kPunchHole || call.kind == Kind::kTruncate ? 1 : 0;
    return 0;
  }

 private:
  std::atomic<int> given_ = 0;
  std::atomic<int> taken_ = 0;
  os::ScopedSystemCallObserver observing_{this};
};

class CheckpointSpaceTest : public ::testing::Test {
 protected:
  CheckpointSpaceTest() {
    PutAll();
    EXPECT_THAT(db_.Checkpoint(), IsOk());
  }

  void PutAll() {
    WriteTransaction txn = *db_.BeginWrite();
    for (int i = 0; i < kRecords; ++i) Put(txn, i);
    EXPECT_THAT(txn.Commit(), IsOk());
  }

  void Put(WriteTransaction& txn, int record) {
    EXPECT_THAT(txn.Put(db_.default_keyspace(), absl::StrCat("key", 1'000'000 + record),
                        std::string(kValueBytes, static_cast<char>('a' + random_() % 26))),
                IsOk());
  }

  // So many of them that every leaf changes.
  void OverwriteAtRandom() {
    for (int commit = 0; commit < 20; ++commit) {
      WriteTransaction txn = *db_.BeginWrite();
      for (int i = 0; i < kRecords / 20; ++i) Put(txn, static_cast<int>(random_() % kRecords));
      EXPECT_THAT(txn.Commit(), IsOk());
    }
  }

  // On the disk.
  uint64_t Blocks() const {
    struct stat status = {};
    EXPECT_EQ(stat(path_.c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db");
  std::mt19937_64 random_{TestSeed()};
  Database db_ = *Database::Open(path_, {.durability = Durability::kCheckpoint});
};

TEST_F(CheckpointSpaceTest, LeavesRoomForTheNextOne) {
  for (int round = 0; round < 3; ++round) {
    OverwriteAtRandom();
    EXPECT_THAT(db_.Checkpoint(), IsOk());
  }
  const SpaceObserver observer;
  for (int round = 0; round < 3; ++round) {
    OverwriteAtRandom();
    EXPECT_THAT(db_.Checkpoint(), IsOk());
  }
  EXPECT_EQ(observer.given(), 0);
  EXPECT_EQ(observer.taken(), 0);
}

TEST_F(CheckpointSpaceTest, GivesBackWhatTheNextOneWillNotNeed) {
  OverwriteAtRandom();
  EXPECT_THAT(db_.Checkpoint(), IsOk());
  const uint64_t before = Blocks();
  WriteTransaction txn = *db_.BeginWrite();
  Put(txn, 0);
  EXPECT_THAT(txn.Commit(), IsOk());
  EXPECT_THAT(db_.Checkpoint(), IsOk());
  EXPECT_LT(Blocks(), before * 4 / 5);
}

TEST_F(CheckpointSpaceTest, GivesAllBackWhenNothingIsNew) {
  OverwriteAtRandom();
  EXPECT_THAT(db_.Checkpoint(), IsOk());
  const uint64_t before = Blocks();
  EXPECT_THAT(db_.Checkpoint(), IsOk());
  EXPECT_LT(Blocks(), before * 4 / 5);
}

// After an unclean end nobody knows which of the free pages have disk blocks.
TEST_F(CheckpointSpaceTest, TheNextCloseGivesBackWhatWasKept) {
  EXPECT_THAT(db_.Close(), IsOk());
  const uint64_t closed = Blocks();
  EXPECT_EQ(testing::InChild([&]() -> std::string {
              db_ = *Database::Open(path_, {.durability = Durability::kCheckpoint});
              PutAll();
              return std::string(db_.Checkpoint().message());
            }),
            "");
  EXPECT_GT(Blocks(), closed * 3 / 2);
  db_ = *Database::Open(path_);
  EXPECT_THAT(db_.Put(db_.default_keyspace(), "key", "value"), IsOk());
  EXPECT_THAT(db_.Close(), IsOk());
  EXPECT_LT(Blocks(), closed * 5 / 4);
}

}  // namespace
}  // namespace espalier
