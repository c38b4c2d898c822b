// Changes through write transactions and their cursors: what random tests found, each with its
// story.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

using ::testing::HasSubstr;

class WriteTransactionTest : public ::testing::Test {
 protected:
  WriteTransactionTest() : keyspace_(db_.keyspace()) {}

  TestDatabase db_{Options{}, TestDatabase::Where::kMemory};
  const Keyspace keyspace_;
};

// Put() of a cursor whose entry had been deleted brought the entry back, where Delete() and value()
// refused.
TEST_F(WriteTransactionTest, CursorOnDeletedEntryChangesNothing) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  for (const char* key : {"a", "b", "c"}) ESPALIER_ASSERT_OK(txn.Put(keyspace_, key, key));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
  ASSERT_TRUE(cursor.SeekExact("b"));
  ESPALIER_ASSERT_OK(txn.Delete(keyspace_, "b"));

  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("entry was deleted"));
  EXPECT_THAT(cursor.value(), refused);
  EXPECT_THAT(cursor.Put("new"), refused);
  EXPECT_THAT(cursor.Delete(), refused);
  EXPECT_THAT(txn.Count(keyspace_), IsOkAndHolds(2u));
  ESPALIER_ASSERT_OK(txn.Commit());
}

// value() of such a cursor moved it onto the next entry: Next() then passed that one over.
TEST_F(WriteTransactionTest, CursorOnDeletedEntryKeepsItsPlace) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  for (const char* key : {"a", "b", "c", "d"}) ESPALIER_ASSERT_OK(txn.Put(keyspace_, key, key));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor forwards, txn.OpenWriteCursor(keyspace_));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor backwards, txn.OpenWriteCursor(keyspace_));
  ASSERT_TRUE(forwards.SeekExact("b"));
  ASSERT_TRUE(backwards.SeekExact("b"));
  ESPALIER_ASSERT_OK(txn.Delete(keyspace_, "b"));

  EXPECT_FALSE(forwards.value().ok());
  EXPECT_FALSE(forwards.value().ok());
  ASSERT_TRUE(forwards.Next());
  EXPECT_EQ(forwards.key(), "c");
  EXPECT_FALSE(backwards.value().ok());
  ASSERT_TRUE(backwards.Prev());
  EXPECT_EQ(backwards.key(), "a");
}

// The pages on the way to an empty range are copied too: a cursor on one of the old ones went on
// reading it after it was freed.
TEST_F(WriteTransactionTest, CursorsFollowADeletionOfNothing) {
  const auto key = [](int i) { return absl::StrCat("key", 10000 + i); };
  for (int i = 0; i < 2000; ++i)
    ESPALIER_ASSERT_OK(db_->Put(keyspace_, key(i), std::string(50, 'v')));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, key(0), "new"));  // the root is the transaction's own
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
  ASSERT_TRUE(cursor.SeekExact(key(1000)));
  EXPECT_THAT(txn.DeleteRange(keyspace_, KeyRange::Between(key(1000) + "a", key(1000) + "b")),
              IsOkAndHolds(0u));
  ESPALIER_ASSERT_OK(cursor.Put("changed"));
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, key(1001), "changed too"));
  EXPECT_THAT(cursor.value(), IsOkAndHolds("changed"));
  ASSERT_TRUE(cursor.Next());
  EXPECT_THAT(cursor.value(), IsOkAndHolds("changed too"));
  ESPALIER_ASSERT_OK(txn.Commit());
}

// Changes through a cursor of a dropped keyspace wrote the keyspace's record again: it was back
// after the commit, with pages that were being freed.
TEST_F(WriteTransactionTest, CursorOfDroppedKeyspaceChangesNothing) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace dropped, txn.CreateKeyspace("dropped"));
  ESPALIER_ASSERT_OK(txn.Put(dropped, "a", "1"));
  ESPALIER_ASSERT_OK(txn.Put(dropped, "b", "2"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(dropped));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor forwards, txn.OpenWriteCursor(dropped));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor backwards, txn.OpenWriteCursor(dropped));
  ASSERT_TRUE(cursor.First());
  ASSERT_TRUE(forwards.First());
  ASSERT_TRUE(backwards.Last());
  ESPALIER_ASSERT_OK(txn.DropKeyspace(dropped));

  EXPECT_THAT(cursor.Put("3"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(cursor.Delete().ok());
  EXPECT_FALSE(cursor.value().ok());
  for (WriteCursor* step : {&forwards, &backwards}) {
    EXPECT_FALSE(step == &forwards ? step->Next() : step->Prev());
    EXPECT_THAT(step->status(), StatusIs(absl::StatusCode::kNotFound));
  }
  ESPALIER_ASSERT_OK(txn.Commit());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db_->GetStats());
  EXPECT_EQ(stats.keyspaces, 1u);
}

// Large values that are written through Reserve() get their checksums at the commit. Those that
// were deleted with a range before it, too many to be freed at once, did not get them, and Verify()
// complained until they were freed.
TEST_F(WriteTransactionTest, ReservedValuesAreSealedBeforeTheirRangeIsDeleted) {
  constexpr int kEntries = 200;
  constexpr size_t kLargeBytes = 10000;
  // Long keys without a common prefix, so that there are more leaves than one commit frees.
  const std::string suffix(1900, 'k');
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace dropped, txn.CreateKeyspace("dropped"));
  for (const Keyspace& keyspace : {keyspace_, dropped}) {
    for (int i = 0; i < kEntries; ++i) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const absl::Span<char> value,
                                    txn.Reserve(keyspace, absl::StrCat(i, suffix), kLargeBytes));
      std::fill(value.begin(), value.end(), 'v');
    }
  }
  EXPECT_THAT(txn.DeleteRange(keyspace_, KeyRange::All()), IsOkAndHolds(uint64_t{kEntries}));
  ESPALIER_ASSERT_OK(txn.DropKeyspace(dropped));
  ESPALIER_ASSERT_OK(txn.Commit());
  db_.Verify();
}

}  // namespace
}  // namespace espalier::testing
