// What becomes of handles in a fork child: every call gives kFailedPrecondition, and whatever the
// child does with them, its end included, leaves the parent's database alone (DESIGN.md, section
// 8).
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/test_database.h"
#include "tests/support/waiting_thread.h"

namespace espalier::testing {
namespace {

// Collects what is wrong, for InChild().
class Faults {
 public:
  void ExpectRefused(std::string_view what, const absl::Status& status) {
    if (absl::IsFailedPrecondition(status)) return;
    text_ += absl::StrCat(std::string(what), ": ", status.ToString(), "\n");
  }
  template <typename T>
  void ExpectRefused(std::string_view what, const absl::StatusOr<T>& result) {
    ExpectRefused(what, result.status());
  }
  void Expect(std::string_view what, bool condition) {
    if (!condition) text_ += absl::StrCat(std::string(what), "\n");
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void UseTransaction(Faults& faults, const Transaction& txn, const Keyspace& keyspace) {
  faults.ExpectRefused("Get", txn.Get(keyspace, "key"));
  faults.ExpectRefused("GetPart", txn.GetPart(keyspace, "key", 0, 1));
  faults.ExpectRefused("Contains", txn.Contains(keyspace, "key"));
  const std::array<std::string_view, 1> keys = {"key"};
  std::array<std::optional<std::string_view>, 1> values;
  faults.ExpectRefused("MultiGet", txn.MultiGet(keyspace, keys, absl::MakeSpan(values)));
  faults.ExpectRefused("Count", txn.Count(keyspace));
  faults.ExpectRefused("Count of a range", txn.Count(keyspace, KeyRange::From("a")));
  faults.ExpectRefused("Rank", txn.Rank(keyspace, "key"));
  faults.ExpectRefused("Select", txn.Select(keyspace, 0));
  faults.ExpectRefused("OpenCursor", txn.OpenCursor(keyspace));
  faults.ExpectRefused("OpenKeyspace", txn.OpenKeyspace("name"));
  faults.ExpectRefused("ListKeyspaces", txn.ListKeyspaces());
  Scan scan = txn.Scan(keyspace);
  faults.Expect("a scan with entries", scan.begin() == scan.end());
  faults.ExpectRefused("Scan", scan.status());
}

void UseCursor(Faults& faults, Cursor& cursor) {
  faults.Expect("Valid", !cursor.Valid());
  faults.Expect("key", cursor.key().empty());
  faults.ExpectRefused("value", cursor.value());
  const std::vector<std::pair<std::string, std::function<bool()>>> moves = {
      {"First", [&] { return cursor.First(); }},
      {"Last", [&] { return cursor.Last(); }},
      {"Next", [&] { return cursor.Next(); }},
      {"Prev", [&] { return cursor.Prev(); }},
      {"SeekLowerBound", [&] { return cursor.SeekLowerBound("key"); }},
      {"SeekUpperBound", [&] { return cursor.SeekUpperBound("key"); }},
      {"SeekExact", [&] { return cursor.SeekExact("key"); }},
      {"SeekForPrev", [&] { return cursor.SeekForPrev("key"); }},
      {"SeekPrefix", [&] { return cursor.SeekPrefix("key"); }},
  };
  for (const auto& [name, move] : moves) {
    faults.Expect(name, !move());
    faults.ExpectRefused(name + "'s status", cursor.status());
  }
}

void UseDatabase(Faults& faults, Database& db) {
  const Keyspace keyspace = db.default_keyspace();
  faults.ExpectRefused("BeginRead", db.BeginRead());
  faults.ExpectRefused("BeginWrite", db.BeginWrite());
  faults.ExpectRefused("TryBeginWrite", db.TryBeginWrite(std::chrono::steady_clock::now()));
  faults.ExpectRefused("Get", db.Get(keyspace, "key"));
  faults.ExpectRefused("Put", db.Put(keyspace, "key", "child's"));
  faults.ExpectRefused("Delete", db.Delete(keyspace, "key"));
  faults.ExpectRefused("Count", db.Count(keyspace));
  faults.ExpectRefused("OpenKeyspace", db.OpenKeyspace("name"));
  faults.ExpectRefused("OpenOrCreateKeyspace", db.OpenOrCreateKeyspace("name"));
  faults.ExpectRefused("DropKeyspace", db.DropKeyspace(keyspace));
  faults.ExpectRefused("Checkpoint", db.Checkpoint());
  faults.ExpectRefused("Compact", db.Compact());
  faults.ExpectRefused("CopyTo", db.CopyTo("/nowhere/copy"));
  faults.ExpectRefused("Verify", db.Verify());
  faults.ExpectRefused("GetStats", db.GetStats());
  faults.ExpectRefused("Close", db.Close());
}

void UseWriteTransaction(Faults& faults, WriteTransaction& txn, const Keyspace& keyspace) {
  UseTransaction(faults, txn, keyspace);
  faults.ExpectRefused("Put", txn.Put(keyspace, "key", "child's"));
  faults.ExpectRefused("PutIfAbsent", txn.PutIfAbsent(keyspace, "key", "child's"));
  faults.ExpectRefused("CompareAndSwap", txn.CompareAndSwap(keyspace, "key", "value", "child's"));
  faults.ExpectRefused("Reserve", txn.Reserve(keyspace, "key", 10));
  faults.ExpectRefused("Append", txn.Append(keyspace, "zzz", "child's"));
  faults.ExpectRefused("Delete", txn.Delete(keyspace, "key"));
  faults.ExpectRefused("DeleteRange", txn.DeleteRange(keyspace, KeyRange::All()));
  faults.ExpectRefused("OpenWriteCursor", txn.OpenWriteCursor(keyspace));
  faults.ExpectRefused("CreateKeyspace", txn.CreateKeyspace("name"));
  faults.ExpectRefused("OpenOrCreateKeyspace", txn.OpenOrCreateKeyspace("name"));
  faults.ExpectRefused("DropKeyspace", txn.DropKeyspace(keyspace));
  faults.ExpectRefused("RenameKeyspace", txn.RenameKeyspace(keyspace, "name"));
  faults.ExpectRefused("Commit", txn.Commit());
}

class ForkTest : public ::testing::TestWithParam<Ending> {
 protected:
  ForkTest() : keyspace_(db_.keyspace()) {
    ESPALIER_EXPECT_OK(db_->Put(keyspace_, "key", "value"));
  }
  void ExpectParentGoesOn() {
    EXPECT_THAT(db_->Get(keyspace_, "key"), IsOkAndHolds(std::string("value")));
    ESPALIER_EXPECT_OK(db_->Put(keyspace_, "after", "value"));
    db_.Verify();
    // Nobody else gets in: the lock is still the parent's.
    EXPECT_EQ(InChild([&]() -> std::string {
                return Database::Open(db_.path()).status().ToString().substr(0, 11);
              }),
              "UNAVAILABLE");
  }

  TestDatabase db_;
  const Keyspace keyspace_;
};

TEST_P(ForkTest, DatabaseIsDeadInTheChild) {
  EXPECT_EQ(InChild(
                [&] {
                  Faults faults;
                  UseDatabase(faults, *db_);
                  db_.Forget();  // the child's copy of the handle
                  return faults.text();
                },
                GetParam()),
            "");
  ExpectParentGoesOn();
}

TEST_P(ForkTest, ReadTransactionIsDeadInTheChild) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
  ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor cursor, txn.OpenCursor(keyspace_));
  ASSERT_TRUE(cursor.First());
  EXPECT_EQ(InChild(
                [&] {
                  Faults faults;
                  UseCursor(faults, cursor);
                  UseTransaction(faults, txn, keyspace_);
                  txn.End();
                  return faults.text();
                },
                GetParam()),
            "");
  // The parent's transaction is still protected from the writer.
  for (int i = 0; i < 200; ++i) {
    ESPALIER_ASSERT_OK(db_->Put(keyspace_, "key", absl::StrCat(i)));
  }
  EXPECT_THAT(txn.Get(keyspace_, "key"), IsOkAndHolds(std::string_view("value")));
  EXPECT_EQ(cursor.key(), "key");
  txn.End();
  ESPALIER_ASSERT_OK(db_->Put(keyspace_, "key", "value"));
  ExpectParentGoesOn();
}

TEST_P(ForkTest, WriteTransactionIsDeadInTheChild) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "other", "parent's"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
  ASSERT_TRUE(cursor.SeekExact("other"));
  EXPECT_EQ(InChild(
                [&] {
                  Faults faults;
                  faults.ExpectRefused("cursor's Put", cursor.Put("child's"));
                  faults.ExpectRefused("cursor's Delete", cursor.Delete());
                  UseCursor(faults, cursor);
                  UseWriteTransaction(faults, txn, keyspace_);
                  txn.Rollback();
                  UseDatabase(faults, *db_);
                  return faults.text();
                },
                GetParam()),
            "");
  EXPECT_EQ(cursor.key(), "other");
  ESPALIER_ASSERT_OK(txn.Commit());
  EXPECT_THAT(db_->Get(keyspace_, "other"), IsOkAndHolds(std::string("parent's")));
  ExpectParentGoesOn();
}

// The child opens the file anew once the parent has closed it; the handle that it inherited is no
// obstacle.
TEST_P(ForkTest, ChildOpensAnew) {
  const std::string path = db_.path();
  std::string parents_end;
  EXPECT_EQ(
      InChild(
          [&]() -> std::string {
            const absl::StatusOr<Database> refused = Database::Open(path);
            if (!absl::IsUnavailable(refused.status())) return refused.status().ToString();
            absl::StatusOr<Database> own = Database::OpenInMemory();
            if (!own.ok()) return own.status().ToString();
            return std::string(own->Put(own->default_keyspace(), "a", "b").status().message());
          },
          GetParam()),
      "");
  db_.Close();
  EXPECT_EQ(InChild(
                [&]() -> std::string {
                  absl::StatusOr<Database> db = Database::Open(path);
                  if (!db.ok()) return db.status().ToString();
                  const absl::Status put =
                      db->Put(db->default_keyspace(), "key", "child's").status();
                  if (!put.ok()) return put.ToString();
                  return std::string(db->Close().message());
                },
                GetParam()),
            "");
  db_.Open();
  EXPECT_THAT(db_->Get(db_.keyspace(), "key"), IsOkAndHolds(std::string("child's")));
}

// A thread that the child does not have leads a group of batches, and waits.
TEST(ForkedBatchTest, IsNotWaitedForInTheChild) {
  TestDatabase db;
  std::thread waits;
  {
    const WriteTransaction in_its_way = db->BeginWrite().value();
    waits =
        StartUntilItWaits([&] { ESPALIER_EXPECT_OK(db->Put(db.keyspace(), "thread", "value")); });
    EXPECT_EQ(InChild([&] {
                alarm(20);
                Faults faults;
                UseDatabase(faults, *db);
                return faults.text();
              }),
              "");
  }
  waits.join();
  EXPECT_THAT(db->Get(db.keyspace(), "thread"), IsOkAndHolds(std::string("value")));
}

// A child that lives on after its parent was killed does not hold the lock, though it inherited the
// descriptor: the next process opens the database.
TEST(ForkedLockTest, DiesWithTheParent) {
  TestDatabase db;
  db.Close();
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  char byte = 'x';
  const pid_t parent = fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    close(ends[0]);
    const absl::StatusOr<Database> opened = Database::Open(db.path());
    const pid_t child = fork();
    if (!opened.ok() || child != 0) _exit(opened.ok() && child > 0 ? 0 : 1);
    const bool told = write(ends[1], &byte, 1) == 1;
    _exit(told && read(ends[1], &byte, 1) == 0 ? 0 : 1);  // when the test has closed its end
  }
  close(ends[1]);
  int status = -1;
  EXPECT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_EQ(status, 0);
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  ASSERT_THAT(Database::Open(db.path()), IsOk());
  close(ends[0]);
  db.Open();
}

std::string EndingName(const ::testing::TestParamInfo<Ending>& info) {
  return info.param == Ending::kExit ? "Exit" : "ImmediateExit";
}
INSTANTIATE_TEST_SUITE_P(Endings, ForkTest, ::testing::Values(Ending::kExit, Ending::kImmediate),
                         EndingName);

}  // namespace
}  // namespace espalier::testing
