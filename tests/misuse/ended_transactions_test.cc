// Transactions and cursors that are used after their end: every call answers kFailedPrecondition,
// however the end came, and nothing crashes.
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

constexpr auto kEnded = absl::StatusCode::kFailedPrecondition;

void ExpectReadsRefused(const Transaction& txn, const Keyspace& keyspace) {
  EXPECT_FALSE(txn.active());  // NOLINT(clang-analyzer-cplusplus.Move): that is the test
  EXPECT_THAT(txn.Get(keyspace, "key"), StatusIs(kEnded));
  EXPECT_THAT(txn.GetPart(keyspace, "key", 0, 1), StatusIs(kEnded));
  EXPECT_THAT(txn.Contains(keyspace, "key"), StatusIs(kEnded));
  const std::array<std::string_view, 1> keys = {"key"};
  std::array<std::optional<std::string_view>, 1> values;
  EXPECT_THAT(txn.MultiGet(keyspace, keys, absl::MakeSpan(values)), StatusIs(kEnded));
  EXPECT_THAT(txn.Count(keyspace), StatusIs(kEnded));
  EXPECT_THAT(txn.Count(keyspace, KeyRange::From("a")), StatusIs(kEnded));
  EXPECT_THAT(txn.Rank(keyspace, "key"), StatusIs(kEnded));
  EXPECT_THAT(txn.Select(keyspace, 0), StatusIs(kEnded));
  EXPECT_THAT(txn.OpenCursor(keyspace), StatusIs(kEnded));
  EXPECT_THAT(txn.OpenKeyspace("name"), StatusIs(kEnded));
  EXPECT_THAT(txn.ListKeyspaces(), StatusIs(kEnded));
  Scan scan = txn.Scan(keyspace);
  EXPECT_TRUE(scan.begin() == scan.end());
  EXPECT_THAT(scan.status(), StatusIs(kEnded));
  Scan reverse = txn.ReverseScan(keyspace);
  EXPECT_TRUE(reverse.begin() == reverse.end());
  EXPECT_THAT(reverse.status(), StatusIs(kEnded));
}

void ExpectWritesRefused(WriteTransaction& txn, const Keyspace& keyspace) {
  ExpectReadsRefused(txn, keyspace);
  EXPECT_THAT(txn.Put(keyspace, "key", "late"), StatusIs(kEnded));
  EXPECT_THAT(txn.PutIfAbsent(keyspace, "late", "late"), StatusIs(kEnded));
  EXPECT_THAT(txn.CompareAndSwap(keyspace, "key", "value", "late"), StatusIs(kEnded));
  EXPECT_THAT(txn.Reserve(keyspace, "key", 10), StatusIs(kEnded));
  EXPECT_THAT(txn.Append(keyspace, "zzz", "late"), StatusIs(kEnded));
  EXPECT_THAT(txn.Delete(keyspace, "key"), StatusIs(kEnded));
  EXPECT_THAT(txn.DeleteRange(keyspace, KeyRange::All()), StatusIs(kEnded));
  EXPECT_THAT(txn.OpenWriteCursor(keyspace), StatusIs(kEnded));
  EXPECT_THAT(txn.CreateKeyspace("name"), StatusIs(kEnded));
  EXPECT_THAT(txn.OpenOrCreateKeyspace("name"), StatusIs(kEnded));
  EXPECT_THAT(txn.DropKeyspace(keyspace), StatusIs(kEnded));
  EXPECT_THAT(txn.RenameKeyspace(keyspace, "name"), StatusIs(kEnded));
  EXPECT_THAT(txn.Commit(), StatusIs(kEnded));
  txn.Rollback();
}

void ExpectCursorRefused(Cursor& cursor) {
  EXPECT_FALSE(cursor.Valid());
  EXPECT_EQ(cursor.key(), "");
  EXPECT_THAT(cursor.value(), StatusIs(kEnded));
  const std::array<std::function<bool()>, 9> moves = {
      [&] { return cursor.Next(); },
      [&] { return cursor.Prev(); },
      [&] { return cursor.First(); },
      [&] { return cursor.Last(); },
      [&] { return cursor.SeekLowerBound("key"); },
      [&] { return cursor.SeekUpperBound("key"); },
      [&] { return cursor.SeekExact("key"); },
      [&] { return cursor.SeekForPrev("key"); },
      [&] { return cursor.SeekPrefix("key"); },
  };
  for (const std::function<bool()>& move : moves) {
    EXPECT_FALSE(move());
    EXPECT_THAT(cursor.status(), StatusIs(kEnded));
  }
}

class EndedTransactionsTest : public ::testing::Test {
 protected:
  EndedTransactionsTest() : keyspace_(db_->default_keyspace()) {
    ESPALIER_EXPECT_OK(db_->Put(keyspace_, "key", "value"));
  }
  void ExpectUnchanged() {
    EXPECT_THAT(db_->Get(keyspace_, "key"), IsOkAndHolds(std::string("value")));
    EXPECT_THAT(db_->Count(keyspace_), IsOkAndHolds(1u));
  }

  TestDatabase db_{Options{}, TestDatabase::Where::kMemory};
  const Keyspace keyspace_;
};

TEST_F(EndedTransactionsTest, ReadTransactionAfterEnd) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
  EXPECT_TRUE(txn.active());
  txn.End();
  ExpectReadsRefused(txn, keyspace_);
  txn.End();
}

TEST_F(EndedTransactionsTest, ReadTransactionAfterMove) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
  ReadTransaction moved = std::move(txn);
  ExpectReadsRefused(txn, keyspace_);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(txn.version(), 0u);
  txn.End();
  EXPECT_THAT(moved.Get(keyspace_, "key"), IsOkAndHolds(std::string_view("value")));

  // Assignment ends what was there before.
  ESPALIER_ASSERT_OK_AND_ASSIGN(txn, db_->BeginRead());
  moved = std::move(txn);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db_->GetStats());
  EXPECT_EQ(stats.readers.size(), 1u);
  ReadTransaction& self = moved;
  moved = std::move(self);
  EXPECT_TRUE(moved.active());
}

TEST_F(EndedTransactionsTest, WriteTransactionAfterCommit) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "key", "value"));
  ESPALIER_ASSERT_OK(txn.Commit());
  ExpectWritesRefused(txn, keyspace_);
  ExpectUnchanged();
}

TEST_F(EndedTransactionsTest, WriteTransactionAfterRollback) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "key", "rolled back"));
  txn.Rollback();
  ExpectWritesRefused(txn, keyspace_);
  ExpectUnchanged();
}

TEST_F(EndedTransactionsTest, WriteTransactionAfterMove) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  WriteTransaction moved = std::move(txn);
  ExpectWritesRefused(txn, keyspace_);  // NOLINT(bugprone-use-after-move)
  ESPALIER_ASSERT_OK(moved.Put(keyspace_, "other", "value"));
  ESPALIER_ASSERT_OK(moved.Commit());
  // Assigning over an open transaction rolls it back and leaves the place to the next one.
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction open, db_->BeginWrite());
  ESPALIER_ASSERT_OK(open.Put(keyspace_, "never", "value"));
  open = std::move(moved);
  ESPALIER_ASSERT_OK(db_->Put(keyspace_, "more", "value"));
  EXPECT_THAT(db_->Count(keyspace_), IsOkAndHolds(3u));
}

TEST_F(EndedTransactionsTest, CursorOutlivesTransaction) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
  ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor standing, txn.OpenCursor(keyspace_));
  ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor nowhere, txn.OpenCursor(keyspace_));
  ASSERT_TRUE(standing.First());
  txn.End();
  ExpectCursorRefused(standing);
  ExpectCursorRefused(nowhere);
}

TEST_F(EndedTransactionsTest, WriteCursorOutlivesTransaction) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
  ASSERT_TRUE(cursor.First());
  ESPALIER_ASSERT_OK(cursor.Put("value"));
  ESPALIER_ASSERT_OK(txn.Commit());
  EXPECT_THAT(cursor.Put("late"), StatusIs(kEnded));
  EXPECT_THAT(cursor.Delete(), StatusIs(kEnded));
  ExpectCursorRefused(cursor);
  ExpectUnchanged();
}

TEST_F(EndedTransactionsTest, CursorAfterMove) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
  ASSERT_TRUE(cursor.First());
  WriteCursor moved = std::move(cursor);
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  EXPECT_THAT(cursor.Put("late"), StatusIs(kEnded));
  EXPECT_THAT(cursor.Delete(), StatusIs(kEnded));
  ExpectCursorRefused(cursor);
  EXPECT_EQ(moved.key(), "key");
}

TEST_F(EndedTransactionsTest, ScanOutlivesTransaction) {
  ESPALIER_ASSERT_OK(db_->Put(keyspace_, "second", "value"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
  Scan scan = txn.Scan(keyspace_);
  auto at = scan.begin();
  ASSERT_EQ(at->key, "key");
  txn.End();
  ++at;
  EXPECT_TRUE(at == scan.end());
  EXPECT_THAT(scan.status(), StatusIs(kEnded));
  ESPALIER_ASSERT_OK(db_->Delete(keyspace_, "second"));
}

TEST(OutlivedDatabaseTest, TransactionsAndCursorsOutliveTheHandle) {
  const os::TempDir dir;
  std::optional<Cursor> cursor;
  {
    absl::StatusOr<Database> db = Database::Open(dir.File("test.esp"));
    ESPALIER_ASSERT_OK(db);
    const Keyspace keyspace = db->default_keyspace();
    ESPALIER_ASSERT_OK(db->Put(keyspace, "key", "value"));
    std::optional<ReadTransaction> reader(*db->BeginRead());
    std::optional<WriteTransaction> writer(*db->BeginWrite());
    ESPALIER_ASSERT_OK(writer->Put(keyspace, "other", "value"));
    cursor.emplace(*reader->OpenCursor(keyspace));
    ASSERT_TRUE(cursor->First());
    { const Database gone = *std::move(db); }

    // They go on; the file stays locked until the last of them ends.
    EXPECT_THAT(reader->Get(keyspace, "key"), IsOkAndHolds(std::string_view("value")));
    EXPECT_EQ(cursor->key(), "key");
    EXPECT_THAT(Database::Open(dir.File("test.esp")), StatusIs(absl::StatusCode::kAlreadyExists));
    ESPALIER_EXPECT_OK(writer->Put(keyspace, "third", "value"));
    ESPALIER_EXPECT_OK(writer->Commit());
    EXPECT_THAT(reader->Count(keyspace), IsOkAndHolds(1u));
    writer.reset();
    EXPECT_THAT(reader->Get(keyspace, "key"), IsOkAndHolds(std::string_view("value")));
    reader.reset();
  }
  ExpectCursorRefused(*cursor);
  // No checkpoint was taken at the end: all of it comes from the log.
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database again, Database::Open(dir.File("test.esp")));
  EXPECT_EQ(VerifyProblems(again), "");
  EXPECT_THAT(again.Count(again.default_keyspace()), IsOkAndHolds(3u));
  ESPALIER_EXPECT_OK(again.Close());
}

}  // namespace
}  // namespace espalier::testing
