// Transactions belong to no thread: they are begun in one, used in a second and ended in a third.
// And the ways to wait for the writer's place.
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class MovedTransactionsTest : public ::testing::Test {
 protected:
  template <typename Function>
  static void InAnotherThread(Function function) {
    std::thread(std::move(function)).join();
  }

  TestDatabase db_{Options{}, TestDatabase::Where::kMemory};
  const Keyspace keyspace_ = db_.keyspace();
};

TEST_F(MovedTransactionsTest, WriteTransactionGoesThroughThreads) {
  std::optional<WriteTransaction> txn;
  InAnotherThread([&] {
    absl::StatusOr<WriteTransaction> begun = db_->BeginWrite();
    ESPALIER_ASSERT_OK(begun);
    txn.emplace(*std::move(begun));
  });
  InAnotherThread([&] { ESPALIER_ASSERT_OK(txn->Put(keyspace_, "key", "value")); });
  InAnotherThread([&] { ESPALIER_ASSERT_OK(txn->Commit()); });
  EXPECT_THAT(db_->Get(keyspace_, "key"), IsOkAndHolds(std::string("value")));
  // The place is free again, for this thread too.
  ESPALIER_EXPECT_OK(db_->Put(keyspace_, "key", "other"));
}

TEST_F(MovedTransactionsTest, ReadTransactionAndCursorGoThroughThreads) {
  ESPALIER_ASSERT_OK(db_->Put(keyspace_, "key", "value"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
  ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor cursor, txn.OpenCursor(keyspace_));
  InAnotherThread([&] { EXPECT_TRUE(cursor.First()); });
  InAnotherThread([&, moved = std::move(txn)]() mutable {
    EXPECT_EQ(cursor.key(), "key");
    EXPECT_THAT(moved.Get(keyspace_, "key"), IsOkAndHolds(std::string_view("value")));
    moved.End();
  });
  EXPECT_FALSE(cursor.First());
  EXPECT_THAT(cursor.status(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(MovedTransactionsTest, TryBeginWriteGivesUpAtItsDeadline) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  const auto start = steady_clock::now();
  EXPECT_THAT(db_->TryBeginWrite(start + milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_GE(steady_clock::now() - start, milliseconds(50));
  // A deadline in the past: no waiting at all.
  EXPECT_THAT(db_->TryBeginWrite(start), StatusIs(absl::StatusCode::kDeadlineExceeded));
  txn.Rollback();
  ESPALIER_EXPECT_OK(db_->TryBeginWrite(start));
}

TEST_F(MovedTransactionsTest, TryBeginWriteGetsThePlaceThatIsLeft) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  std::thread waiting([&] {
    const absl::StatusOr<WriteTransaction> second =
        db_->TryBeginWrite(steady_clock::now() + std::chrono::seconds(60));
    ESPALIER_ASSERT_OK(second);
    EXPECT_THAT(second->Get(keyspace_, "key"), IsOkAndHolds(std::string_view("value")));
  });
  ESPALIER_EXPECT_OK(txn.Put(keyspace_, "key", "value"));
  std::this_thread::sleep_for(milliseconds(20));
  ESPALIER_EXPECT_OK(txn.Commit());
  waiting.join();
}

// One of those that wait gives up; those behind it must not be forgotten.
TEST_F(MovedTransactionsTest, GivingUpLetsTheNextOneIn) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  std::thread impatient([&] {
    EXPECT_THAT(db_->TryBeginWrite(steady_clock::now() + milliseconds(60)),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  std::this_thread::sleep_for(milliseconds(10));
  std::thread patient([&] { ESPALIER_EXPECT_OK(db_->Put(keyspace_, "key", "value")); });
  impatient.join();
  txn.Rollback();
  patient.join();
  EXPECT_THAT(db_->Get(keyspace_, "key"), IsOkAndHolds(std::string("value")));
}

}  // namespace
}  // namespace espalier::testing
