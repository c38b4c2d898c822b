// Handles in the wrong place: keyspaces of another database, dropped ones, closed and moved
// databases; bad keys; values that lie in the database itself.
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;
constexpr auto kClosed = absl::StatusCode::kFailedPrecondition;

class HandlesTest : public ::testing::Test {
 protected:
  HandlesTest() : keyspace_(db_->default_keyspace()) {
    ESPALIER_EXPECT_OK(db_->Put(keyspace_, "key", "value"));
  }

  TestDatabase db_{Options{}, TestDatabase::Where::kMemory};
  const Keyspace keyspace_;
};

// Each call that takes a keyspace gives `code`, and the transaction goes on.
void ExpectKeyspaceRefused(TestDatabase& db, const Keyspace& keyspace, absl::StatusCode code) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db->BeginWrite());
  EXPECT_THAT(txn.Get(keyspace, "key"), StatusIs(code));
  EXPECT_THAT(txn.GetPart(keyspace, "key", 0, 1), StatusIs(code));
  EXPECT_THAT(txn.Contains(keyspace, "key"), StatusIs(code));
  const std::array<std::string_view, 1> keys = {"key"};
  std::array<std::optional<std::string_view>, 1> values;
  EXPECT_THAT(txn.MultiGet(keyspace, keys, absl::MakeSpan(values)), StatusIs(code));
  EXPECT_THAT(txn.Count(keyspace), StatusIs(code));
  EXPECT_THAT(txn.Count(keyspace, KeyRange::From("a")), StatusIs(code));
  EXPECT_THAT(txn.Rank(keyspace, "key"), StatusIs(code));
  EXPECT_THAT(txn.Select(keyspace, 0), StatusIs(code));
  EXPECT_THAT(txn.OpenCursor(keyspace), StatusIs(code));
  EXPECT_THAT(txn.OpenWriteCursor(keyspace), StatusIs(code));
  Scan scan = txn.Scan(keyspace);
  EXPECT_TRUE(scan.begin() == scan.end());
  EXPECT_THAT(scan.status(), StatusIs(code));
  EXPECT_THAT(txn.Put(keyspace, "key", "value"), StatusIs(code));
  EXPECT_THAT(txn.PutIfAbsent(keyspace, "key", "value"), StatusIs(code));
  EXPECT_THAT(txn.CompareAndSwap(keyspace, "key", std::nullopt, "value"), StatusIs(code));
  EXPECT_THAT(txn.Reserve(keyspace, "key", 5), StatusIs(code));
  EXPECT_THAT(txn.Append(keyspace, "zzz", "value"), StatusIs(code));
  EXPECT_THAT(txn.Delete(keyspace, "key"), StatusIs(code));
  EXPECT_THAT(txn.DeleteRange(keyspace, KeyRange::All()), StatusIs(code));
  EXPECT_THAT(txn.DropKeyspace(keyspace), StatusIs(code));
  EXPECT_THAT(txn.RenameKeyspace(keyspace, "name"), StatusIs(code));
  ESPALIER_EXPECT_OK(txn.Put(db.keyspace(), "after", "value"));
  ESPALIER_EXPECT_OK(txn.Commit());
  EXPECT_THAT(db->Get(keyspace, "key"), StatusIs(code));
  EXPECT_THAT(db->Put(keyspace, "key", "value"), StatusIs(code));
  EXPECT_THAT(db->Delete(keyspace, "key"), StatusIs(code));
  EXPECT_THAT(db->Count(keyspace), StatusIs(code));
  EXPECT_THAT(db->DropKeyspace(keyspace), StatusIs(code));
}

TEST_F(HandlesTest, KeyspaceOfNothing) { ExpectKeyspaceRefused(db_, Keyspace(), kInvalid); }

TEST_F(HandlesTest, KeyspaceOfAnotherDatabase) {
  TestDatabase other(Options{}, TestDatabase::Where::kMemory);
  ExpectKeyspaceRefused(db_, other.keyspace(), kInvalid);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace foreign, other->OpenOrCreateKeyspace("foreign"));
  ExpectKeyspaceRefused(db_, foreign, kInvalid);
}

TEST(ReopenedHandlesTest, KeyspaceOfTheSameFileBeforeItWasReopened) {
  TestDatabase db;
  const Keyspace before = db.keyspace();
  db.Reopen();
  ExpectKeyspaceRefused(db, before, kInvalid);
}

TEST_F(HandlesTest, DroppedKeyspace) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace dropped, db_->OpenOrCreateKeyspace("dropped"));
  ESPALIER_ASSERT_OK(db_->Put(dropped, "key", "value"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction before, db_->BeginRead());
  ESPALIER_ASSERT_OK(db_->DropKeyspace(dropped));
  ExpectKeyspaceRefused(db_, dropped, kNotFound);
  EXPECT_THAT(db_->OpenKeyspace("dropped"), StatusIs(kNotFound));
  // A version from before still has it.
  EXPECT_THAT(before.Get(dropped, "key"), IsOkAndHolds(std::string_view("value")));

  // One of the same name is another one.
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace second, db_->OpenOrCreateKeyspace("dropped"));
  EXPECT_NE(second.id(), dropped.id());
  EXPECT_THAT(db_->Count(second), IsOkAndHolds(0u));
  ExpectKeyspaceRefused(db_, dropped, kNotFound);
  EXPECT_THAT(before.Get(second, "key"), StatusIs(kNotFound));
}

// It must not come to be the handle of what is created next.
TEST_F(HandlesTest, KeyspaceOfATransactionThatWasDropped) {
  Keyspace dropped;
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
    ESPALIER_ASSERT_OK_AND_ASSIGN(dropped, txn.CreateKeyspace("first"));
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace second, db_->OpenOrCreateKeyspace("second"));
  EXPECT_NE(second.id(), dropped.id());
  ExpectKeyspaceRefused(db_, dropped, kNotFound);
  EXPECT_THAT(db_->Count(second), IsOkAndHolds(0u));
}

TEST_F(HandlesTest, DefaultKeyspaceStays) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  EXPECT_THAT(txn.DropKeyspace(keyspace_), StatusIs(kInvalid));
  EXPECT_THAT(txn.RenameKeyspace(keyspace_, "name"), StatusIs(kInvalid));
  EXPECT_THAT(txn.CreateKeyspace(""), StatusIs(kInvalid));
  EXPECT_THAT(txn.CreateKeyspace(std::string(501, 'n')), StatusIs(kInvalid));
  ESPALIER_EXPECT_OK(txn.CreateKeyspace(std::string(500, 'n')));
}

TEST_F(HandlesTest, BadKeys) {
  const std::string longest(db_->MaxKeyBytes(), 'k');
  const std::string too_long(db_->MaxKeyBytes() + 1, 'k');
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  for (const std::string_view key : {std::string_view(), std::string_view(too_long)}) {
    EXPECT_THAT(txn.Put(keyspace_, key, "value"), StatusIs(kInvalid));
    EXPECT_THAT(txn.PutIfAbsent(keyspace_, key, "value"), StatusIs(kInvalid));
    EXPECT_THAT(txn.CompareAndSwap(keyspace_, key, std::nullopt, "value"), StatusIs(kInvalid));
    EXPECT_THAT(txn.Reserve(keyspace_, key, 5), StatusIs(kInvalid));
    EXPECT_THAT(txn.Append(keyspace_, key, "value"), StatusIs(kInvalid));
    EXPECT_THAT(txn.Delete(keyspace_, key), StatusIs(kInvalid));
    EXPECT_THAT(txn.Get(keyspace_, key), StatusIs(kInvalid));
    EXPECT_THAT(txn.Contains(keyspace_, key), StatusIs(kInvalid));
    const std::array<std::string_view, 2> keys = {"key", key};
    std::array<std::optional<std::string_view>, 2> values;
    EXPECT_THAT(txn.MultiGet(keyspace_, keys, absl::MakeSpan(values)), StatusIs(kInvalid));
    EXPECT_THAT(txn.MultiGet(keyspace_, keys, absl::MakeSpan(values).first(1)), StatusIs(kInvalid));
  }
  // As bounds they are keys like any other.
  EXPECT_THAT(txn.Count(keyspace_, KeyRange::From(too_long)), IsOkAndHolds(0u));
  EXPECT_THAT(txn.Rank(keyspace_, ""), IsOkAndHolds(0u));
  ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor cursor, txn.OpenCursor(keyspace_));
  EXPECT_TRUE(cursor.SeekLowerBound(""));
  EXPECT_FALSE(cursor.SeekLowerBound(too_long));
  EXPECT_TRUE(cursor.SeekForPrev(too_long));
  EXPECT_TRUE(cursor.SeekPrefix(""));
  ESPALIER_EXPECT_OK(txn.Put(keyspace_, longest, "value"));
  EXPECT_THAT(txn.DeleteRange(keyspace_, KeyRange::From(too_long)), IsOkAndHolds(0u));
  EXPECT_THAT(txn.DeleteRange(keyspace_, KeyRange::Between("z", "a")), IsOkAndHolds(0u));
  ESPALIER_EXPECT_OK(txn.Commit());
  EXPECT_THAT(db_->Get(keyspace_, longest), IsOkAndHolds(std::string("value")));
}

// A cursor replaces its key on the way to where it is sent.
TEST_F(HandlesTest, PositioningByTheCursorsOwnKey) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK(txn.DeleteRange(keyspace_, KeyRange::All()));
  for (int i = 0; i < 100; ++i) {
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, absl::StrCat(100 + i), "value"));
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
  for (bool found = cursor.First(); found; found = cursor.SeekUpperBound(cursor.key())) {
    EXPECT_TRUE(cursor.SeekExact(cursor.key()));
    EXPECT_TRUE(cursor.SeekPrefix(cursor.key()));
    ESPALIER_EXPECT_OK(txn.Delete(keyspace_, std::string(cursor.key())));
  }
  EXPECT_THAT(txn.Count(keyspace_), IsOkAndHolds(0u));

  for (const char* const key : {"b", "c", "longer than what a string keeps in itself, d"}) {
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, key, "value"));
  }
  ASSERT_TRUE(cursor.SeekExact("c"));
  ESPALIER_EXPECT_OK(txn.Delete(keyspace_, "c"));
  EXPECT_FALSE(cursor.SeekExact(cursor.key()));
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "c", "value"));
  ASSERT_TRUE(cursor.SeekExact("c"));
  ESPALIER_EXPECT_OK(txn.Delete(keyspace_, "c"));
  EXPECT_TRUE(cursor.SeekForPrev(cursor.key()));
  EXPECT_EQ(cursor.key(), "b");
}

// Put(k2, *Get(k1)), in all the ways in which the page of k1 may change under it.
TEST_F(HandlesTest, ValuesThatLieInTheDatabase) {
  for (const size_t bytes : {10, 900, 1900, 5000, 100000}) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
    std::string value(bytes, 'a');
    for (size_t i = 0; i < bytes; ++i) value[i] = static_cast<char>(i * 31);
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, "from", value));
    for (int i = 0; i < 50; ++i) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view view, txn.Get(keyspace_, "from"));
      ESPALIER_ASSERT_OK(txn.Put(keyspace_, absl::StrCat("fr", i), view));
      ASSERT_THAT(txn.Get(keyspace_, absl::StrCat("fr", i)), IsOkAndHolds(value));
      ASSERT_THAT(txn.Get(keyspace_, "from"), IsOkAndHolds(value));
    }
    // Onto itself, whole and in part; through a cursor; as a key.
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, "from", *txn.Get(keyspace_, "from")));
    EXPECT_THAT(txn.Get(keyspace_, "from"), IsOkAndHolds(value));
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, "from", txn.Get(keyspace_, "from")->substr(3)));
    EXPECT_THAT(txn.Get(keyspace_, "from"), IsOkAndHolds(value.substr(3)));
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
    ASSERT_TRUE(cursor.SeekExact("from"));
    ESPALIER_ASSERT_OK(cursor.Put(cursor.value()->substr(2)));
    EXPECT_THAT(cursor.value(), IsOkAndHolds(value.substr(5)));
    if (bytes < 1900) {
      const std::string key(*cursor.value());
      ESPALIER_ASSERT_OK(txn.Put(keyspace_, *cursor.value(), *cursor.value()));
      EXPECT_THAT(txn.Get(keyspace_, key), IsOkAndHolds(std::string_view(key)));
      EXPECT_THAT(txn.Delete(keyspace_, *txn.Get(keyspace_, key)), IsOkAndHolds(true));
    }
    // From a version before, whose pages are another matter.
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction before, db_->BeginRead());
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, "before", *before.Get(keyspace_, "key")));
    EXPECT_THAT(txn.Get(keyspace_, "before"), IsOkAndHolds(std::string_view("value")));
    // A whole range whose bounds lie in it.
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, "bound", "fr"));
    EXPECT_THAT(txn.DeleteRange(keyspace_, KeyRange::Prefix(*txn.Get(keyspace_, "bound"))),
                IsOkAndHolds(51u));
    ESPALIER_ASSERT_OK(txn.Commit());
  }
}

TEST_F(HandlesTest, CompressedValuesThatLieInTheDatabase) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace compressed,
                                db_->OpenOrCreateKeyspace("compressed", {100}));
  const std::string value(100000, 'z');
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK(txn.Put(compressed, "a", value));
  for (int i = 0; i < 20; ++i) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view view, txn.Get(compressed, "a"));
    ESPALIER_ASSERT_OK(txn.Put(compressed, absl::StrCat("b", i), view));
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, absl::StrCat("b", i), view));
  }
  EXPECT_THAT(txn.Get(compressed, "b7"), IsOkAndHolds(std::string_view(value)));
  EXPECT_THAT(txn.Get(keyspace_, "b7"), IsOkAndHolds(std::string_view(value)));
  ESPALIER_ASSERT_OK(txn.Commit());
}

TEST(ClosedDatabaseTest, CloseWithOpenTransactionsIsRefused) {
  TestDatabase db;
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db->BeginRead());
    EXPECT_THAT(db->Close(), StatusIs(kClosed));
  }
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db->BeginWrite());
    EXPECT_THAT(db->Close(), StatusIs(kClosed));
    // The database is still open.
    ESPALIER_ASSERT_OK(txn.Put(db.keyspace(), "key", "value"));
    ESPALIER_ASSERT_OK(txn.Commit());
  }
  EXPECT_THAT(db->Get(db.keyspace(), "key"), IsOkAndHolds(std::string("value")));
  db.Reopen();
  EXPECT_THAT(db->Get(db.keyspace(), "key"), IsOkAndHolds(std::string("value")));
}

void ExpectDatabaseRefuses(Database& db) {
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.Move): that is the test
  const Keyspace keyspace = db.default_keyspace();
  EXPECT_THAT(db.BeginRead(), StatusIs(kClosed));
  EXPECT_THAT(db.BeginWrite(), StatusIs(kClosed));
  EXPECT_THAT(db.TryBeginWrite(std::chrono::steady_clock::now()), StatusIs(kClosed));
  EXPECT_THAT(db.Get(keyspace, "key"), StatusIs(kClosed));
  EXPECT_THAT(db.Put(keyspace, "key", "value"), StatusIs(kClosed));
  EXPECT_THAT(db.Delete(keyspace, "key"), StatusIs(kClosed));
  EXPECT_THAT(db.Count(keyspace), StatusIs(kClosed));
  EXPECT_THAT(db.OpenKeyspace("name"), StatusIs(kClosed));
  EXPECT_THAT(db.OpenOrCreateKeyspace("name"), StatusIs(kClosed));
  EXPECT_THAT(db.DropKeyspace(keyspace), StatusIs(kClosed));
  EXPECT_THAT(db.Checkpoint(), StatusIs(kClosed));
  EXPECT_THAT(db.Compact(), StatusIs(kClosed));
  EXPECT_THAT(db.CopyTo("/nowhere/copy"), StatusIs(kClosed));
  EXPECT_THAT(db.Verify(), StatusIs(kClosed));
  EXPECT_THAT(db.GetStats(), StatusIs(kClosed));
  EXPECT_THAT(db.Close(), StatusIs(kClosed));
}

// A function that is called with the progress may use the database, from the first call on.
TEST(ProgressTest, MayUseTheDatabase) {
  TestDatabase db;
  const Keyspace keyspace = db.keyspace();
  for (int i = 0; i < 100; ++i) {
    ESPALIER_ASSERT_OK(db->Put(keyspace, absl::StrCat("key", i), std::string(500, 'v')));
  }
  ESPALIER_ASSERT_OK(db->Checkpoint());  // writes a space map, which comes first
  int calls = 0;
  const ProgressCallback use = [&](const Progress&) {
    ESPALIER_EXPECT_OK(db->Put(keyspace, absl::StrCat("progress", ++calls), "value"));
    ESPALIER_EXPECT_OK(db->Checkpoint());
    EXPECT_THAT(db->GetStats(), IsOk());
    EXPECT_EQ(VerifyProblems(*db), "");
    return true;
  };
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db->Verify(use));
  EXPECT_TRUE(report.ok());
  EXPECT_GT(calls, 0);
  ESPALIER_EXPECT_OK(db->CopyTo(db.PathBeside("copy.esp"), use));
}

TEST(ClosedDatabaseTest, UseAfterClose) {
  const os::TempDir dir;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(dir.File("test.esp")));
  ESPALIER_ASSERT_OK(db.Put(db.default_keyspace(), "key", "value"));
  ESPALIER_ASSERT_OK(db.Close());
  ExpectDatabaseRefuses(db);
  // The handle that still lives is no obstacle.
  ESPALIER_EXPECT_OK(Database::Open(dir.File("test.esp")));
}

TEST(ClosedDatabaseTest, UseAfterMove) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::OpenInMemory());
  const Keyspace keyspace = db.default_keyspace();
  ESPALIER_ASSERT_OK(db.Put(keyspace, "key", "value"));
  Database moved = std::move(db);
  ExpectDatabaseRefuses(db);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(db.path(), "");
  EXPECT_EQ(db.MaxKeyBytes(), 0u);
  EXPECT_THAT(moved.Get(keyspace, "key"), IsOkAndHolds(std::string("value")));
  // Assignment closes what was there before.
  ESPALIER_ASSERT_OK_AND_ASSIGN(moved, Database::OpenInMemory());
  EXPECT_THAT(moved.Get(keyspace, "key"), StatusIs(kInvalid));
}

}  // namespace
}  // namespace espalier::testing
