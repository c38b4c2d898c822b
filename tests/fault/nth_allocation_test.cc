// The n-th allocation within a call fails, n = 1, 2, 3..., until the call gets through: it ends
// with a status or with std::bad_alloc (the library throws nothing else), leaks nothing, and leaves
// a database that can be used: whole, with the change of that call or without it, and the same
// before and after it is opened again.
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fault/failing_allocations.h"
#include "tests/support/child_process.h"
#include "tests/support/numbered_value.h"
#include "tests/support/shared_memory.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

// Far more than one run takes.
constexpr unsigned kPatienceSeconds = 5;
constexpr int kNever = 20000;
constexpr int kEnoughFailures = 3;
constexpr int kRows = 300;
// All that there are slots for: one more takes memory.
constexpr int kManyReaders = 64;
constexpr char kNewKey[] = "new";

std::string RowKey(int i) { return absl::StrCat("row", 1000 + i); }
std::string RowValue(int i) { return NumberedValue(7, static_cast<uint64_t>(i), 0, 200); }

Options TestOptions() {
  Options options;
  options.log_size_bytes = uint64_t{1} << 20;
  return options;
}

// One call, or a few, under test. What it writes, if anything, is `new_bytes` under kNewKey.
struct Step {
  const char* name;
  std::function<absl::Status(std::optional<Database>&, const std::string& path)> run;
  size_t new_bytes = 0;
  size_t logged_before = 0;  // bytes that are in the log by then
  bool opens = false;        // the step opens the database itself
  bool recovers = false;     // that was left without a Close()
  int readers = 0;           // are open meanwhile
};
void PrintTo(const Step& step, std::ostream* out) { *out << step.name; }

std::string NewValue(size_t bytes) { return NumberedValue(7, 0, 1, bytes); }

absl::Status Write(Database& db, Durability durability, size_t bytes) {
  const std::string value = NewValue(bytes);
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite({.durability = durability}));
  ESPALIER_RETURN_IF_ERROR(txn.Put(db.default_keyspace(), kNewKey, value));
  return txn.Commit().status();
}

Step Writing(const char* name, Durability durability, size_t bytes, size_t logged_before = 0) {
  return {.name = name,
          .run = [=](std::optional<Database>& db,
                     const std::string&) { return Write(*db, durability, bytes); },
          .new_bytes = bytes,
          .logged_before = logged_before};
}

absl::Status OpenInto(std::optional<Database>& db, const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(Database opened, Database::Open(path, TestOptions()));
  db.emplace(std::move(opened));
  return absl::OkStatus();
}

absl::Status ReadAll(Database& db) {
  ESPALIER_ASSIGN_OR_RETURN(const ReadTransaction txn, db.BeginRead());
  Scan scan = txn.Scan(db.default_keyspace());
  for (const Entry& entry : scan) static_cast<void>(entry);
  ESPALIER_RETURN_IF_ERROR(scan.status());
  const std::array<std::string_view, 3> keys = {"row1001", "row1200", "nothing"};
  std::array<std::optional<std::string_view>, 3> values;
  ESPALIER_RETURN_IF_ERROR(txn.MultiGet(db.default_keyspace(), keys, absl::MakeSpan(values)));
  ESPALIER_RETURN_IF_ERROR(txn.Rank(db.default_keyspace(), "row1200").status());
  return txn.ListKeyspaces().status();
}

// Everything that a transaction can do and that leaves no trace in the default keyspace.
absl::Status ChangeKeyspaces(Database& db) {
  {
    ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
    ESPALIER_ASSIGN_OR_RETURN(
        const Keyspace other,
        txn.OpenOrCreateKeyspace("other", {.compress_values_from_bytes = 64}));
    for (int i = 0; i < 200; ++i) {
      ESPALIER_RETURN_IF_ERROR(txn.Append(other, RowKey(i), std::string(500, 'a')));
    }
    ESPALIER_RETURN_IF_ERROR(txn.Reserve(other, "z", 30000).status());
    ESPALIER_RETURN_IF_ERROR(txn.RenameKeyspace(other, "another"));
    ESPALIER_RETURN_IF_ERROR(txn.DeleteRange(other, KeyRange::From(RowKey(100))).status());
    ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
  }
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
  ESPALIER_ASSIGN_OR_RETURN(const Keyspace other, txn.OpenKeyspace("another"));
  ESPALIER_RETURN_IF_ERROR(txn.DropKeyspace(other));
  return txn.Commit().status();
}

// So much that the log only refers to it.
absl::Status AppendAndDrop(Database& db) {
  {
    ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn,
                              db.BeginWrite({.durability = Durability::kAsync}));
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace other, txn.OpenOrCreateKeyspace("appended"));
    for (int i = 0; i < 400; ++i) {
      ESPALIER_RETURN_IF_ERROR(txn.Append(other, absl::StrCat(1000 + i), std::string(500, 'a')));
    }
    ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
  }
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
  ESPALIER_ASSIGN_OR_RETURN(const Keyspace other, txn.OpenKeyspace("appended"));
  ESPALIER_RETURN_IF_ERROR(txn.DropKeyspace(other));
  return txn.Commit().status();
}

// What it has seen is not durable when it begins.
absl::Status CommitNothing(Database& db) {
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction seen,
                            db.BeginWrite({.durability = Durability::kAsync}));
  ESPALIER_RETURN_IF_ERROR(seen.Put(db.default_keyspace(), "before", "async"));
  ESPALIER_RETURN_IF_ERROR(seen.Commit().status());
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
  return txn.Commit().status();
}

absl::Status WriteThreeLargeValues(Database& db) {
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
  for (const char* const key : {"large", kNewKey, "larger"}) {
    ESPALIER_RETURN_IF_ERROR(txn.Put(db.default_keyspace(), key, NewValue(90000)));
  }
  return txn.Commit().status();
}

// With space inside of the file that a close gives back.
absl::Status LeaveAHoleAndClose(Database& db) {
  for (const char* const key : {"hole", "behind"}) {
    ESPALIER_RETURN_IF_ERROR(db.Put(db.default_keyspace(), key, std::string(90000, 'h')).status());
  }
  ESPALIER_RETURN_IF_ERROR(db.Delete(db.default_keyspace(), "hole").status());
  ESPALIER_RETURN_IF_ERROR(db.Checkpoint());
  return db.Close();
}

// On a database with changes that no checkpoint has.
template <typename Function>
Step Calling(const char* name, Function function) {
  return {.name = name,
          .run = [function](std::optional<Database>& db,
                            const std::string& path) { return function(*db, path); },
          .logged_before = 1000};
}

Step BesideManyReaders(const char* name, Step step) {
  step.name = name;
  step.readers = kManyReaders;
  return step;
}

const std::vector<Step>& Steps() {
  static const auto* const steps = new std::vector<Step>{
      {.name = "Open", .run = OpenInto, .opens = true},
      {.name = "OpenRecovering", .run = OpenInto, .opens = true, .recovers = true},
      Writing("SyncCommit", Durability::kSync, 100),
      Writing("AsyncCommit", Durability::kAsync, 100),
      Writing("CheckpointCommit", Durability::kCheckpoint, 100),
      Writing("LaterSyncCommit", Durability::kSync, 100, 1000),
      Writing("LaterAsyncCommit", Durability::kAsync, 100, 1000),
      Writing("SyncCommitOfALargeValue", Durability::kSync, 90000, 1000),
      {.name = "SyncCommitOfThreeLargeValues",
       .run = [](std::optional<Database>& db,
                 const std::string&) { return WriteThreeLargeValues(*db); },
       .new_bytes = 90000,
       .logged_before = 1000},
      Writing("SyncCommitTooLargeForTheLog", Durability::kSync, 300000, 1000),
      Writing("SyncCommitThatAsksForACheckpoint", Durability::kSync, 90000, 440000),
      Writing("AsyncCommitThatAsksForACheckpoint", Durability::kAsync, 90000, 440000),
      BesideManyReaders("SyncCommitBesideManyReaders", Writing("", Durability::kSync, 100, 1000)),
      BesideManyReaders(
          "CommitOfNothingBesideManyReaders",
          Calling("", [](Database& db, const std::string&) { return CommitNothing(db); })),
      Calling("Reads", [](Database& db, const std::string&) { return ReadAll(db); }),
      Calling("Keyspaces", [](Database& db, const std::string&) { return ChangeKeyspaces(db); }),
      Calling("Append", [](Database& db, const std::string&) { return AppendAndDrop(db); }),
      Calling("Checkpoint", [](Database& db, const std::string&) { return db.Checkpoint(); }),
      Calling("Compact", [](Database& db, const std::string&) { return db.Compact().status(); }),
      Calling("Verify", [](Database& db, const std::string&) { return db.Verify().status(); }),
      Calling("GetStats", [](Database& db, const std::string&) { return db.GetStats().status(); }),
      Calling("CopyTo",
              [](Database& db, const std::string& path) { return db.CopyTo(path + "-copy"); }),
      Calling("Close", [](Database& db, const std::string&) { return db.Close(); }),
      Calling("LeaveAHoleAndClose",
              [](Database& db, const std::string&) { return LeaveAHoleAndClose(db); }),
  };
  return *steps;
}

struct Outcome {
  bool ended = false;    // the step got through without meeting the failure
  bool has_new = false;  // the new value was seen afterwards
  bool later = false;    // a later commit was acknowledged
};

// What is wrong with the content; notes whether the new value is there.
std::string CheckContent(Database& db, const Step& step, bool& has_new) {
  const absl::StatusOr<ReadTransaction> txn = db.BeginRead();
  if (!txn.ok()) return absl::StrCat("BeginRead: ", txn.status().ToString(), "\n");
  const Keyspace keyspace = db.default_keyspace();
  std::string problems;
  for (int i = 0; i < kRows; ++i) {
    const auto value = txn->Get(keyspace, RowKey(i));
    if (!value.ok() || *value != RowValue(i)) absl::StrAppend(&problems, RowKey(i), " is wrong\n");
  }
  const auto value = txn->Get(keyspace, kNewKey);
  has_new = value.ok();
  if (value.ok() && *value != NewValue(step.new_bytes)) problems += "the new value is wrong\n";
  return problems + VerifyProblems(db);
}

// Files of a name that only lasts as long as the call.
std::string FindLeftovers(const std::string& path) {
  std::string found;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(path).parent_path())) {
    const std::string name = entry.path().filename();
    if (name.find("espalier-new") != std::string::npos) absl::StrAppend(&found, name, " is left\n");
  }
  return found;
}

class NthAllocationTest : public ::testing::TestWithParam<Step> {
 protected:
  // Nothing of this has to outlive the machine, and a disk would make it take very long.
  static void SetUpTestSuite() {
    if (access("/dev/shm", W_OK) == 0) setenv("TEST_TMPDIR", "/dev/shm", /*overwrite=*/1);
  }

  // A database with rows, of which some are in the log only; closed or left open.
  static void Prepare(const std::string& path, bool close) {
    ASSERT_EQ(InChild([&]() -> std::string {
                auto db = std::make_unique<Database>(*Database::Open(path, TestOptions()));
                for (int i = 0; i < kRows; ++i) {
                  if (i == kRows / 2 && !db->Checkpoint().ok()) return "Checkpoint";
                  if (!db->Put(db->default_keyspace(), RowKey(i), RowValue(i)).ok()) return "Put";
                }
                if (close) return std::string(db->Close().message());
                static_cast<void>(db.release());
                return "";
              }),
              "");
  }

  // Runs the step with the n-th allocation failing and looks at the same handle afterwards.
  static std::string RunStep(const Step& step, const std::string& path, int n, bool close,
                             Outcome& outcome) {
    std::optional<Database> db;
    if (!step.opens) {
      if (absl::Status opened = OpenInto(db, path); !opened.ok()) return opened.ToString();
      for (int i = 0; i < 5 && step.logged_before > 0; ++i) {
        const std::string part(step.logged_before / 5, 'b');
        const absl::Status put = db->Put(db->default_keyspace(), "before", part).status();
        if (!put.ok()) return put.ToString();
      }
    }
    std::vector<ReadTransaction> readers;
    for (int i = 0; i < step.readers; ++i) readers.push_back(db->BeginRead().value());
    std::string problems;
    bool succeeded = false;
    try {
      const FailingAllocation failing(n);
      const absl::Status status = step.run(db, path);
      succeeded = status.ok();
    } catch (const std::bad_alloc&) {
      succeeded = false;
    }
    readers.clear();
    outcome.ended = !AllocationFailed();
    if (outcome.ended && !succeeded) problems += "it fails without a failing allocation\n";
    problems += FindLeftovers(path);
    if (!db.has_value()) return problems;
    if (const auto read = db->Get(db->default_keyspace(), RowKey(0));
        absl::IsFailedPrecondition(read.status())) {
      return problems;  // closed
    }
    const absl::Status after = db->Put(db->default_keyspace(), "after", "all").status();
    if (!after.ok()) absl::StrAppend(&problems, "a later Put: ", after.ToString(), "\n");
    outcome.later = after.ok();
    problems += CheckContent(*db, step, outcome.has_new);
    if (succeeded && step.new_bytes > 0 && !outcome.has_new) problems += "the commit is lost\n";
    if (!succeeded && outcome.has_new) problems += "what failed is there\n";
    if (close) {
      const absl::Status closed = db->Close();
      if (!closed.ok()) absl::StrAppend(&problems, "Close: ", closed.ToString(), "\n");
    } else {
      new Database(*std::move(db));  // as a process leaves it that dies
    }
    return problems;
  }

  // What the library and the C++ runtime allocate once and keep: for one, the SIGBUS handler's
  // entry of each mapping, to be used again. A copy takes two of them at once.
  static std::string WarmUp(const std::string& path) {
    std::optional<Database> db;
    absl::Status status = OpenInto(db, path);
    if (status.ok()) status = Write(*db, Durability::kSync, 100);
    if (status.ok()) status = ReadAll(*db);
    if (status.ok()) status = db->Checkpoint();
    if (status.ok()) status = db->CopyTo(path + "-copy");
    if (status.ok()) status = db->Close();
    std::filesystem::remove(path);
    std::filesystem::remove(path + "-copy");
    return std::string(status.message());
  }

  static std::string RunInChild(const Step& step, const std::string& path, int n, bool close,
                                Outcome& outcome) {
    return InChild([&]() -> std::string {
      alarm(kPatienceSeconds);
      if (std::string cold = WarmUp(path + "-warm"); !cold.empty()) return cold;
      const int64_t before = LiveAllocations();
      std::string problems = RunStep(step, path, n, close, outcome);
      const int64_t leaked = problems.empty() && close ? LiveAllocations() - before : 0;
      if (leaked != 0) absl::StrAppend(&problems, leaked, " allocations leak\n");
      return problems;
    });
  }

  static std::string ReopenInChild(const Step& step, const std::string& path,
                                   const Outcome& outcome, bool seen) {
    return InChild([&]() -> std::string {
      alarm(kPatienceSeconds);
      absl::StatusOr<Database> db = Database::Open(path, TestOptions());
      if (!db.ok()) return absl::StrCat("reopening: ", db.status().ToString());
      bool has_new = false;
      std::string problems = CheckContent(*db, step, has_new);
      if (seen && has_new != outcome.has_new && step.new_bytes > 0) {
        absl::StrAppend(&problems, "the new value was ", outcome.has_new ? "" : "not ",
                        "there, and after reopening it is the other way round\n");
      }
      if (outcome.later && !db->Get(db->default_keyspace(), "after").ok()) {
        problems += "a later commit is lost\n";
      }
      if (const absl::Status closed = db->Close(); !closed.ok()) {
        absl::StrAppend(&problems, "closing: ", closed.ToString(), "\n");
      }
      return problems;
    });
  }

  static void TryEachAllocation(bool close) {
    const Step& step = GetParam();
    const os::TempDir original;
    Prepare(original.File("db.esp"), /*close=*/!step.recovers);
    int failures = 0;
    for (int n = 1; failures < kEnoughFailures; ++n) {
      SCOPED_TRACE(absl::StrCat("allocation ", n));
      const os::TempDir dir;
      std::filesystem::copy(original.path(), dir.path(), std::filesystem::copy_options::recursive);
      const std::string path = dir.File("db.esp");
      const SharedMemory<Outcome> outcome;
      const std::string problems = RunInChild(step, path, n, close, *outcome);
      EXPECT_EQ(problems, "");
      const std::string later = ReopenInChild(step, path, *outcome, /*seen=*/problems.empty());
      EXPECT_EQ(later, "");
      failures += problems.empty() && later.empty() ? 0 : 1;
      if (outcome->ended) break;
      ASSERT_LT(n, kNever);
    }
  }
};

TEST_P(NthAllocationTest, ThenClosed) { TryEachAllocation(/*close=*/true); }

// What is left must be fit for recovery.
TEST_P(NthAllocationTest, ThenAbandoned) { TryEachAllocation(/*close=*/false); }

// The canaries.
class NthAllocationCanaryTest : public NthAllocationTest {
 protected:
  // What is found with any of the first allocations failing.
  static std::string FoundWith(const Step& step) {
    std::string problems;
    for (int n = 1; n < 200 && problems.empty(); ++n) {
      const os::TempDir dir;
      Prepare(dir.File("db.esp"), /*close=*/true);
      const SharedMemory<Outcome> outcome;
      problems = RunInChild(step, dir.File("db.esp"), n, /*close=*/true, *outcome);
      if (outcome->ended) break;
    }
    return problems;
  }
};

TEST_F(NthAllocationCanaryTest, FindsACommitThatFailedUnnoticed) {
  Step step = Writing("unnoticed", Durability::kSync, 100);
  step.run = [honest = step.run](std::optional<Database>& db, const std::string& path) {
    try {
      honest(db, path).IgnoreError();
    } catch (const std::bad_alloc&) {
    }
    return absl::OkStatus();
  };
  EXPECT_THAT(FoundWith(step), ::testing::HasSubstr("the commit is lost"));
}

TEST_F(NthAllocationCanaryTest, FindsALeak) {
  const Step step = Calling("leak", [](Database&, const std::string&) {
    static char* volatile kept;  // or the compiler would leave it out
    kept = new char[100];
    static_cast<void>(kept);
    return absl::OkStatus();
  });
  EXPECT_THAT(FoundWith(step), ::testing::HasSubstr("1 allocations leak"));
}

INSTANTIATE_TEST_SUITE_P(EachStep, NthAllocationTest, ::testing::ValuesIn(Steps()),
                         [](const ::testing::TestParamInfo<Step>& step) {
                           return std::string(step.param.name);
                         });

}  // namespace
}  // namespace espalier::testing
