// Close(), and a handle that goes, while the checkpoint in the background waits for a write
// transaction of the very thread that closes.
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/held_checkpoint.h"
#include "tests/support/waiting_thread.h"

namespace espalier {
namespace {

class CloseTest : public ::testing::Test {
 protected:
  // Its recovery asks for a checkpoint.
  std::string LeftWithALog(int number) const {
    std::string path = dir_.File(absl::StrCat(number));
    Database db = Database::Open(path).value();
    EXPECT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
    return path;
  }

  static void ExpectGoesOn(const std::string& path) {
    Database db = Database::Open(path).value();
    EXPECT_THAT(db.Get(db.default_keyspace(), "key"), IsOkAndHolds("value"));
    EXPECT_THAT(db.Get(db.default_keyspace(), "last"), IsOkAndHolds("one"));
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_THAT(report.problems, ::testing::IsEmpty());
  }

  const os::TempDir dir_;
};

// Most of the time the checkpoint has not begun by then.
TEST_F(CloseTest, BesideACheckpointThatWaitsToBegin) {
  for (int i = 0; i < 20; ++i) {
    const std::string path = LeftWithALog(i);
    Database db = Database::Open(path).value();
    WriteTransaction txn = db.BeginWrite().value();
    EXPECT_THAT(db.Close(), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(txn.Put(db.default_keyspace(), "last", "one"), IsOk());
    EXPECT_THAT(txn.Commit(), IsOk());
    EXPECT_THAT(db.Close(), IsOk());
    ExpectGoesOn(path);
  }
}

TEST_F(CloseTest, BesideACheckpointThatWaitsAtItsEnd) {
  const std::string path = LeftWithALog(0);
  testing::HeldCheckpoint checkpoint;
  Database db = Database::Open(path).value();
  checkpoint.AwaitBegin();
  WriteTransaction txn = db.BeginWrite().value();
  checkpoint.Release();
  EXPECT_THAT(db.Close(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(txn.Put(db.default_keyspace(), "last", "one"), IsOk());
  EXPECT_THAT(txn.Commit(), IsOk());
  EXPECT_THAT(db.Close(), IsOk());
  ExpectGoesOn(path);
}

TEST_F(CloseTest, TheHandleGoes) {
  for (int i = 0; i < 20; ++i) {
    const std::string path = LeftWithALog(i);
    std::optional<WriteTransaction> txn;
    {
      Database db = Database::Open(path).value();
      txn = db.BeginWrite().value();
      EXPECT_THAT(txn->Put(db.default_keyspace(), "last", "one"), IsOk());
    }
    EXPECT_THAT(txn->Commit(), IsOk());
    txn.reset();
    ExpectGoesOn(path);
  }
}

// What was asked of the background before a Close() that was refused is asked again, and not only
// when somebody waits for room.
TEST_F(CloseTest, ARefusedCloseDoesNotKeepTheCheckpointAway) {
  Options options;
  options.log_size_bytes = uint64_t{1} << 20;
  Database db = Database::Open(dir_.File("db"), options).value();
  const auto put = [&](WriteTransaction& txn) {
    EXPECT_THAT(txn.Put(db.default_keyspace(), "key", std::string(10000, 'v')), IsOk());
  };
  const auto checkpoints = [&] { return db.GetStats()->checkpoints; };
  const uint64_t before = checkpoints();
  {
    // The commit that asks for it leaves the gate to this one, which was waiting.
    WriteTransaction asks = db.BeginWrite().value();
    while (db.GetStats()->log_used_bytes < options.log_size_bytes * 2 / 3 - 10000) {
      put(asks);
      ASSERT_THAT(asks.Commit(), IsOk());
      asks = db.BeginWrite().value();
    }
    put(asks);
    std::optional<WriteTransaction> open;
    std::thread waits = testing::StartUntilItWaits([&] { open = db.BeginWrite().value(); });
    ASSERT_THAT(asks.Commit(), IsOk());
    waits.join();
    EXPECT_THAT(db.Close(), StatusIs(absl::StatusCode::kFailedPrecondition));
    ASSERT_EQ(checkpoints(), before);
    put(*open);
    ASSERT_THAT(open->Commit(), IsOk());
  }
  while (checkpoints() == before) std::this_thread::yield();
  EXPECT_EQ(db.GetStats()->log_waits, 0u);
  EXPECT_THAT(db.Close(), IsOk());
}

}  // namespace
}  // namespace espalier
