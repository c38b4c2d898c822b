// Memory runs out in the middle of a change of a write transaction, at each of its allocations in
// turn, and the program goes on as if nothing had been. Such a transaction could be committed with
// half a change: an entry in the tree and not in the log, pages that nothing refers to.
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <new>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/fault/failing_allocations.h"
#include "tests/support/test_database.h"
#include "tests/support/waiting_thread.h"

namespace espalier::testing {
namespace {

constexpr int kNever = 2000;
constexpr int kRows = 300;

std::string RowKey(int i) { return absl::StrCat("row", 1000 + i); }

using Content = std::map<std::string, std::string>;

// Of all keyspaces.
Content ReadContent(Database& db) {
  Content content;
  const ReadTransaction txn = db.BeginRead().value();
  const std::vector<KeyspaceInfo> keyspaces = txn.ListKeyspaces().value();
  for (const KeyspaceInfo& info : keyspaces) {
    const std::string prefix = info.name + "/";
    content[prefix] = "";
    Scan scan = txn.Scan(info.keyspace);
    for (const auto& [key, value] : scan) content[prefix + std::string(key)] = value;
    EXPECT_THAT(scan.status(), IsOk());
  }
  return content;
}

// A database that knows none of the changes below.
class Rows {
 public:
  Rows() {
    setenv("TEST_TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", /*overwrite=*/0);
    db_.emplace();
    Database& db = **db_;
    const Keyspace other =
        db.OpenOrCreateKeyspace("other", {.compress_values_from_bytes = 64}).value();
    EXPECT_THAT(db.Update([&](WriteTransaction& txn) {
      for (int i = 0; i < kRows; ++i) {
        const std::string value(static_cast<size_t>(100 + 10 * i), 'v');
        ESPALIER_RETURN_IF_ERROR(txn.Put(db.default_keyspace(), RowKey(i), value));
        ESPALIER_RETURN_IF_ERROR(txn.Put(other, RowKey(i), value));
      }
      return txn.Put(db.default_keyspace(), "large", std::string(100000, 'l'));
    }),
                IsOk());
    content_ = ReadContent(db);
  }

  Database& operator*() { return **db_; }
  Database* operator->() { return &**db_; }
  // So that the next transaction begins with no memory of the one before.
  void Reopen() { db_->Reopen(); }
  void ExpectUnchanged() { EXPECT_TRUE(ReadContent(**db_) == content_); }

 private:
  std::optional<TestDatabase> db_;
  Content content_;
};

struct Change {
  const char* name;
  std::function<absl::Status(WriteTransaction&, const Keyspace&)> make;
};
void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }

const std::vector<Change>& Changes() {
  using Txn = WriteTransaction;
  static const auto* const changes = new std::vector<Change>{
      {"Put", [](Txn& txn, const Keyspace& rows) { return txn.Put(rows, "new", "value"); }},
      {"PutSplittingALeaf",
       [](Txn& txn, const Keyspace& rows) {
         return txn.Put(rows, "row1100x", std::string(1500, 's'));
       }},
      {"PutOutsideOfTheLeaf",
       [](Txn& txn, const Keyspace& rows) { return txn.Put(rows, "new", std::string(9000, 'n')); }},
      {"PutOfALargeValue",
       [](Txn& txn, const Keyspace& rows) {
         return txn.Put(rows, "new", std::string(200000, 'n'));
       }},
      {"PutCompressed",
       [](Txn& txn, const Keyspace&) {
         ESPALIER_ASSIGN_OR_RETURN(const Keyspace other, txn.OpenKeyspace("other"));
         return txn.Put(other, "new", std::string(9000, 'n'));
       }},
      {"Append", [](Txn& txn, const Keyspace& rows) { return txn.Append(rows, "zz", "value"); }},
      {"Reserve",
       [](Txn& txn, const Keyspace& rows) { return txn.Reserve(rows, "new", 9000).status(); }},
      {"CompareAndSwap",
       [](Txn& txn, const Keyspace& rows) {
         return txn.CompareAndSwap(rows, "new", std::nullopt, "value").status();
       }},
      {"Delete",
       [](Txn& txn, const Keyspace& rows) { return txn.Delete(rows, RowKey(150)).status(); }},
      {"DeleteRange",
       [](Txn& txn, const Keyspace& rows) {
         return txn.DeleteRange(rows, KeyRange::From(RowKey(10))).status();
       }},
      {"CursorPut",
       [](Txn& txn, const Keyspace& rows) {
         ESPALIER_ASSIGN_OR_RETURN(WriteCursor cursor, txn.OpenWriteCursor(rows));
         if (!cursor.SeekExact(RowKey(7))) return cursor.status();
         return cursor.Put(std::string(3000, 'c'));
       }},
      {"CursorDelete",
       [](Txn& txn, const Keyspace& rows) {
         ESPALIER_ASSIGN_OR_RETURN(WriteCursor cursor, txn.OpenWriteCursor(rows));
         if (!cursor.SeekExact(RowKey(7))) return cursor.status();
         return cursor.Delete();
       }},
      {"CreateKeyspace",
       [](Txn& txn, const Keyspace&) { return txn.CreateKeyspace("more").status(); }},
      {"DropKeyspace",
       [](Txn& txn, const Keyspace&) {
         ESPALIER_ASSIGN_OR_RETURN(const Keyspace other, txn.OpenKeyspace("other"));
         return txn.DropKeyspace(other);
       }},
      {"RenameKeyspace",
       [](Txn& txn, const Keyspace&) {
         ESPALIER_ASSIGN_OR_RETURN(const Keyspace other, txn.OpenKeyspace("other"));
         return txn.RenameKeyspace(other, "another");
       }},
  };
  return *changes;
}

// Whether `call` threw std::bad_alloc when its n-th allocation failed. (What needs no memory, such
// as opening a keyspace or a cursor, may answer otherwise.)
bool RunsOutOfMemory(int n, const std::function<void()>& call) {
  try {
    const FailingAllocation failing(n);
    call();
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

class BrokenChangeTest : public ::testing::TestWithParam<Change> {};

TEST_P(BrokenChangeTest, IsNeverCommitted) {
  Rows db;
  const auto aborted = StatusIs(absl::StatusCode::kAborted);
  int refused = 0;
  for (int n = 1;; ++n) {
    SCOPED_TRACE(absl::StrCat("allocation ", n));
    ASSERT_LT(n, kNever);
    db.Reopen();
    const Keyspace rows = db->default_keyspace();
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db->BeginWrite());
    ESPALIER_ASSERT_OK(txn.Put(rows, "mine", "before the change"));
    absl::Status status;
    const bool threw = RunsOutOfMemory(n, [&] { status = GetParam().make(txn, rows); });
    if (!AllocationFailed()) {
      ESPALIER_EXPECT_OK(status);
      break;
    }
    const absl::Status after = txn.Put(rows, "mine", "after the change");
    // What was to be found before the change may be what failed: then nothing is broken.
    if (threw && !after.ok()) {
      ++refused;
      EXPECT_THAT(after, aborted);
      EXPECT_THAT(txn.Delete(rows, "mine"), aborted);
      EXPECT_THAT(txn.Commit(), aborted);
      EXPECT_THAT(txn.Commit(), StatusIs(absl::StatusCode::kFailedPrecondition));
    }
    txn.Rollback();
    db.ExpectUnchanged();
  }
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(EachChange, BrokenChangeTest, ::testing::ValuesIn(Changes()),
                         [](const ::testing::TestParamInfo<Change>& change) {
                           return std::string(change.param.name);
                         });

// Nothing of the commit is there, and nothing can be done about it.
TEST(BrokenCommitTest, EndsItsTransaction) {
  for (int n = 1;; ++n) {
    SCOPED_TRACE(absl::StrCat("allocation ", n));
    ASSERT_LT(n, kNever);
    Rows db;
    db.Reopen();
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace other, db->OpenKeyspace("other"));
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db->BeginWrite());
    ESPALIER_ASSERT_OK(txn.DeleteRange(other, KeyRange::From(RowKey(10))));
    ESPALIER_ASSERT_OK(txn.Reserve(db->default_keyspace(), "new", 9000));
    const bool threw = RunsOutOfMemory(n, [&] { txn.Commit().IgnoreError(); });
    if (!AllocationFailed()) break;
    EXPECT_FALSE(txn.active());
    EXPECT_THAT(txn.Commit(), StatusIs(absl::StatusCode::kFailedPrecondition));
    if (threw) db.ExpectUnchanged();
  }
}

TEST(BrokenUpdateTest, IsDroppedOrRefused) {
  Rows db;
  const Keyspace rows = db->default_keyspace();
  const std::string value(200000, 'n');
  const auto change = [&](WriteTransaction& txn) { return txn.Put(rows, "new", value); };
  EXPECT_THROW(db->Update([&](WriteTransaction& txn) {
                   const FailingAllocation first(1);
                   return change(txn);
                 }).IgnoreError(),
               std::bad_alloc);
  db.ExpectUnchanged();
  EXPECT_THAT(db->Update([&](WriteTransaction& txn) -> absl::Status {
    EXPECT_TRUE(RunsOutOfMemory(1, [&] { change(txn).IgnoreError(); }));
    return absl::OkStatus();
  }),
              StatusIs(absl::StatusCode::kAborted));
  db.ExpectUnchanged();
  EXPECT_THAT(db->Update(change), IsOk());
}

// Three batches are committed together, by the thread of the first. Where memory runs out there for
// one of them, the other two are committed without it.
TEST(BrokenBatchTest, LeavesTheOthersUntouched) {
  constexpr int kBatches = 3;
  int alone = 0;
  for (int n = 1;; ++n) {
    SCOPED_TRACE(absl::StrCat("allocation ", n));
    ASSERT_LT(n, kNever);
    TestDatabase db;
    std::array<absl::Status, kBatches> status;
    bool failed = false;
    {
      ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction first, db->BeginWrite());
      std::array<std::thread, kBatches> threads;
      for (size_t i = 0; i < kBatches; ++i) {
        threads[i] = StartUntilItWaits([&, i] {
          WriteBatch batch;
          batch.Put(db.keyspace(), RowKey(static_cast<int>(i)), std::string(3000, 'b'));
          std::optional<FailingAllocation> failing;
          if (i == 0) failing.emplace(n);
          status[i] = db->Write(batch).status();
          if (i == 0) failed = AllocationFailed();
        });
      }
      first.Rollback();
      for (std::thread& thread : threads) thread.join();
    }
    int committed = 0;
    for (size_t i = 0; i < kBatches; ++i) {
      const bool there = db->Get(db.keyspace(), RowKey(static_cast<int>(i))).ok();
      EXPECT_EQ(there, status[i].ok()) << status[i];
      EXPECT_TRUE(there || absl::IsResourceExhausted(status[i])) << status[i];
      committed += there ? 1 : 0;
    }
    alone += committed == kBatches - 1 ? 1 : 0;
    if (!failed) {
      EXPECT_EQ(committed, kBatches);
      break;
    }
  }
  EXPECT_GE(alone, kBatches);
}

}  // namespace
}  // namespace espalier::testing
