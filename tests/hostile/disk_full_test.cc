// A full disk in the middle of whatever writes: a status, the transaction rolls back, the database
// goes on, and deleting works, which is what people do then.

#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/scratch_dir.h"
#include "tests/support/child_process.h"

namespace espalier {
namespace {

using os::FailingCalls;
using os::SystemCallKind;
using testing::FileSystem;
using testing::InChild;
using ::testing::IsEmpty;
using testing::SmallFileSystem;

using Model = std::map<std::string, std::string>;

std::string Key(int i) { return absl::StrCat("key", 1000000 + i); }

void ExpectContent(Database& db, const Model& model) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db.BeginRead());
  const Keyspace keyspace = db.default_keyspace();
  EXPECT_THAT(txn.Count(keyspace), IsOkAndHolds(model.size()));
  auto expected = model.begin();
  Scan scan = txn.Scan(keyspace);
  for (const Entry& entry : scan) {
    ASSERT_NE(expected, model.end());
    EXPECT_EQ(entry.key, expected->first);
    EXPECT_EQ(entry.value, expected->second);
    ++expected;
  }
  EXPECT_THAT(scan.status(), IsOk());
  EXPECT_EQ(expected, model.end());
}

void ExpectSound(Database& db) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
  EXPECT_THAT(report.problems, IsEmpty());
}

// Puts values of `value_bytes`, a hundred KB a transaction, until one fails. Returns the number of
// the next key.
int FillUp(Database& db, Model& model, size_t value_bytes, int first_key) {
  const Keyspace keyspace = db.default_keyspace();
  for (int next = first_key;;) {
    WriteTransaction txn = db.BeginWrite().value();
    Model added;
    absl::Status status;
    for (size_t bytes = 0; bytes < 100000 && status.ok(); bytes += value_bytes) {
      const std::string value(value_bytes, static_cast<char>('a' + next % 26));
      status = txn.Put(keyspace, Key(next), value);
      if (status.ok()) added[Key(next++)] = value;
    }
    if (!status.ok()) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
      // The transaction is spoilt and says so.
      EXPECT_THAT(txn.Put(keyspace, "another", "x"),
                  StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_THAT(txn.Delete(keyspace, Key(0)), StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_THAT(txn.Commit(), StatusIs(absl::StatusCode::kResourceExhausted));
      return next;
    }
    const absl::Status committed = txn.Commit().status();
    if (!committed.ok()) {
      EXPECT_THAT(committed, StatusIs(absl::StatusCode::kResourceExhausted));
      return next;
    }
    model.insert(added.begin(), added.end());
    if (next - first_key > 1000000) {
      ADD_FAILURE() << "the disk does not fill up";
      return next;
    }
  }
}

// The whole life on a small disk.
void LiveOnASmallDisk(const std::string& path, size_t value_bytes) {
  Model model;
  int next_key = 0;
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    const Keyspace keyspace = db.default_keyspace();
    for (int round = 0; round < 4; ++round) {
      SCOPED_TRACE(absl::StrCat("round ", round));
      next_key = FillUp(db, model, value_bytes, next_key);
      ASSERT_FALSE(model.empty());
      ExpectContent(db, model);
      ExpectSound(db);

      // A single deletion goes through at once.
      ASSERT_THAT(db.Delete(keyspace, model.begin()->first), IsOkAndHolds(true));
      model.erase(model.begin());
      // So do many in one transaction, or a range.
      WriteTransaction txn = db.BeginWrite().value();
      const size_t enough = model.size() / 2;
      if (round % 2 == 0) {
        while (model.size() > enough) {
          ASSERT_THAT(txn.Delete(keyspace, model.begin()->first), IsOkAndHolds(true));
          model.erase(model.begin());
        }
      } else {
        auto end = model.begin();
        std::advance(end, model.size() - enough);
        ASSERT_THAT(txn.DeleteRange(keyspace, KeyRange::Between("", end->first)),
                    IsOkAndHolds(model.size() - enough));
        model.erase(model.begin(), end);
      }
      ASSERT_THAT(txn.Commit(), IsOk());
      ExpectContent(db, model);
      ASSERT_THAT(db.Checkpoint(), IsOk());
      ExpectSound(db);
      // There is room again.
      ASSERT_THAT(db.Put(keyspace, Key(next_key), std::string(value_bytes, 'n')), IsOk());
      model[Key(next_key++)] = std::string(value_bytes, 'n');
    }
    ASSERT_THAT(db.Close(), IsOk());
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
  ExpectContent(db, model);
  ExpectSound(db);
  EXPECT_THAT(db.Compact(), IsOk());
  ExpectContent(db, model);
  ExpectSound(db);
}

TEST(DiskFullTest, SmallTmpfs) {
  for (const size_t value_bytes : {100u, 3000u, 60000u}) {
    SCOPED_TRACE(absl::StrCat("values of ", value_bytes, " bytes"));
    const auto mounted = SmallFileSystem::Mount(FileSystem::kTmpfs, size_t{3} << 20);
    if (mounted == nullptr) GTEST_SKIP() << "cannot mount one";
    LiveOnASmallDisk(mounted->File("db.esp"), value_bytes);
  }
}

TEST(DiskFullTest, SmallExt4) {
  const auto mounted = SmallFileSystem::Mount(FileSystem::kExt4, size_t{3} << 20);
  if (mounted == nullptr) GTEST_SKIP() << "cannot mount one";
  LiveOnASmallDisk(mounted->File("db.esp"), 1000);
}

// The same for a process that may not have longer files; the kernel's SIGXFSZ must not end it.
TEST(DiskFullTest, FileSizeLimit) {
  os::TempDir dir;
  EXPECT_EQ(InChild([&]() -> std::string {
              const rlimit limit{size_t{2} << 20, size_t{2} << 20};
              if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return "setrlimit";
              LiveOnASmallDisk(dir.File("db.esp"), 1000);
              return ::testing::Test::HasFailure() ? "see above" : "";
            }),
            "");
}

// Another program takes the last free byte.
void TakeTheRest(const SmallFileSystem& mounted) {
  std::FILE* const filler = std::fopen(mounted.File("filler").c_str(), "w");
  ASSERT_NE(filler, nullptr);
  const std::string block(4096, 'f');
  while (std::fwrite(block.data(), 1, block.size(), filler) == block.size() &&
         std::fflush(filler) == 0) {
  }
  std::fclose(filler);
}

// INV-6: what a checkpoint gave back to the file system from the middle of the file is allocated
// again before it is stored to.
TEST(DiskFullTest, HolesAreTakenByAnother) {
  const auto mounted = SmallFileSystem::Mount(FileSystem::kTmpfs, size_t{16} << 20);
  if (mounted == nullptr) GTEST_SKIP() << "cannot mount one";
  const std::string path = mounted->File("db.esp");
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
  const Keyspace keyspace = db.default_keyspace();
  Model model;
  for (int i = 0; i < 8; ++i) {
    model[Key(i)] = std::string(500000, static_cast<char>('a' + i));
    ASSERT_THAT(db.Put(keyspace, Key(i), model[Key(i)]), IsOk());
  }
  ASSERT_THAT(db.Checkpoint(), IsOk());
  const uint64_t available = std::filesystem::space(mounted->File("")).available;
  while (model.size() > 1) {
    ASSERT_THAT(db.Delete(keyspace, model.begin()->first), IsOkAndHolds(true));
    model.erase(model.begin());
  }
  ASSERT_THAT(db.Checkpoint(), IsOk());
  ASSERT_GT(std::filesystem::space(mounted->File("")).available, available + 1000000);
  TakeTheRest(*mounted);
  EXPECT_THAT(db.Put(keyspace, "key", std::string(500000, 'x')),
              StatusIs(absl::StatusCode::kResourceExhausted));
  ExpectContent(db, model);
  ExpectSound(db);
}

// What was committed before the disk was full survives a close that finds no room.
TEST(DiskFullTest, CloseOnAFullDisk) {
  const auto mounted = SmallFileSystem::Mount(FileSystem::kTmpfs, size_t{2} << 20);
  if (mounted == nullptr) GTEST_SKIP() << "cannot mount one";
  const std::string path = mounted->File("db.esp");
  Model model;
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    FillUp(db, model, 500, 0);
    TakeTheRest(*mounted);  // just to be sure
    EXPECT_THAT(db.Close(), IsOk());
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
  ExpectContent(db, model);
  ExpectSound(db);
}

// The n-th allocation fails, n = 1, 2, 3..., until the operation gets through without meeting it.
TEST(DiskFullTest, EachAllocationInTurn) {
  bool failed_once = false;
  for (int n = 0;; ++n) {
    SCOPED_TRACE(absl::StrCat("allocation ", n));
    os::TempDir dir;
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(dir.File("db.esp")));
    const Keyspace keyspace = db.default_keyspace();
    Model model;
    for (int i = 0; i < 30; ++i) {
      model[Key(i)] = std::string(500, 'a');
      ASSERT_THAT(db.Put(keyspace, Key(i), model[Key(i)]), IsOk());
    }
    ASSERT_THAT(db.Checkpoint(), IsOk());
    absl::Status status;
    int calls = 0;
    {
      FailingCalls full(SystemCallKind::kAllocate, ENOSPC, n, 2);
      Model after = model;
      const auto note = [&](const absl::Status& result) {
        if (!result.ok()) status = result;
        return result.ok();
      };
      const auto run = [&] {
        for (int round = 0; round < 3; ++round) {
          auto txn = db.BeginWrite();
          if (!note(txn.status())) return;
          for (int i = 0; i < 60; ++i) {
            const int key = round * 40 + i;
            if (!note(txn->Put(keyspace, Key(key), std::string(900, 'b')))) return;
            after[Key(key)] = std::string(900, 'b');
          }
          if (!note(txn->Put(keyspace, "large", std::string(100000, 'c')))) return;
          after["large"] = std::string(100000, 'c');
          if (!note(txn->Commit().status())) return;
          model = after;
          if (!note(db.Checkpoint())) return;
        }
        note(db.Compact().status());
      };
      run();
      calls = full.calls();
    }
    if (!status.ok()) {
      failed_once = true;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    }
    ExpectContent(db, model);
    ExpectSound(db);
    // Nothing is poisoned: with room again, all goes on.
    ASSERT_THAT(db.Put(keyspace, "after", "all"), IsOk());
    model["after"] = "all";
    ASSERT_THAT(db.Checkpoint(), IsOk());
    ExpectContent(db, model);
    ExpectSound(db);
    ASSERT_THAT(db.Close(), IsOk());
    if (calls <= n || HasFailure()) break;
    ASSERT_LT(n, 500) << "the work never ends";
  }
  EXPECT_TRUE(failed_once);
}

}  // namespace
}  // namespace espalier
