// What comes back from the log when a database was not closed: every kind of operation, for a
// handle that writes and for one that only reads.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using Contents = std::map<std::string, std::map<std::string, std::string>>;

Contents ContentsOf(Database& db) {
  Contents contents;
  const ReadTransaction txn = db.BeginRead().value();
  const std::vector<KeyspaceInfo> keyspaces = txn.ListKeyspaces().value();
  for (const KeyspaceInfo& info : keyspaces) {
    auto& entries = contents[info.name];
    Scan scan = txn.Scan(info.keyspace);
    for (const auto& [key, value] : scan) entries[std::string(key)] = value;
    EXPECT_THAT(scan.status(), IsOk());
  }
  return contents;
}

void ExpectSound(Database& db) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
  EXPECT_THAT(report.problems, ::testing::IsEmpty());
}

class RecoveryTest : public ::testing::TestWithParam<Durability> {
 protected:
  Database Open(bool read_only = false) {
    Options options;
    options.durability = GetParam();
    options.read_only = read_only;
    options.log_size_bytes = uint64_t{8} << 20;
    return Database::Open(path_, options).value();
  }
  // The handle goes, but not with the closing checkpoint: an open transaction keeps it from that.
  static void Abandon(Database db) {
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      std::string& content = files[entry.path()];
      content.resize(entry.file_size());
      FILE* const file = std::fopen(entry.path().c_str(), "rb");
      EXPECT_EQ(std::fread(content.data(), 1, content.size(), file), content.size());
      std::fclose(file);
    }
    return files;
  }

  os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
};

// Cancelled as often as one likes, nothing is lost.
TEST(CancelledRecoveryTest, IsBegunAgain) {
  constexpr int kPuts = 60'000;
  const os::TempDir dir;
  const std::string path = dir.File("db.esp");
  Options options;
  options.durability = Durability::kAsync;
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
    for (int i = 0; i < kPuts; ++i) {
      ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat("key", i), absl::StrCat(i)), IsOk());
    }
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  for (const bool read_only : {true, false}) {
    options.read_only = read_only;
    for (int patience = 0; patience < 3; ++patience) {
      int calls = 0;
      options.recovery_progress = [&](const Progress& progress) {
        EXPECT_LE(progress.done, progress.total);
        return calls++ < patience;
      };
      EXPECT_THAT(Database::Open(path, options), StatusIs(absl::StatusCode::kCancelled));
      EXPECT_EQ(calls, patience + 1);
    }
    uint64_t done = 0;
    uint64_t total = 1;
    options.recovery_progress = [&](const Progress& progress) {
      EXPECT_GE(progress.done, done);
      done = progress.done;
      total = progress.total;
      return true;
    };
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
    EXPECT_EQ(done, total);
    EXPECT_THAT(db.Count(db.default_keyspace()), IsOkAndHolds(uint64_t{kPuts}));
    EXPECT_THAT(db.Get(db.default_keyspace(), "key4321"), IsOkAndHolds("4321"));
    ExpectSound(db);
  }
}

void DoEverything(Database& db) {
  const Keyspace main = db.default_keyspace();
  for (int i = 0; i < 500; ++i) {
    ASSERT_THAT(db.Put(main, absl::StrCat("key", i), std::string(i % 200, 'v')), IsOk());
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace packed,
                                txn.CreateKeyspace("packed", {.compress_values_from_bytes = 100}));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace gone, txn.CreateKeyspace("gone"));
  ASSERT_THAT(txn.Put(gone, "a", "1"), IsOk());
  ASSERT_THAT(txn.Put(packed, "zeros", std::string(300000, '0')), IsOk());
  ASSERT_THAT(txn.Append(packed, "zzz", "appended"), IsOk());
  ASSERT_THAT(txn.Put(main, "large", std::string(200000, 'l')), IsOk());
  ASSERT_THAT(txn.Put(main, "medium", std::string(10000, 'm')), IsOk());
  // Replaced within the transaction: the first value's pages are not used again at once.
  ASSERT_THAT(txn.Put(main, "twice", std::string(100000, '1')), IsOk());
  ASSERT_THAT(txn.Put(main, "twice", std::string(100000, '2')), IsOk());
  ASSERT_THAT(txn.Put(main, "thrice", std::string(100000, '3')), IsOk());
  for (const size_t size : {10, 5000, 150000}) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto span,
                                  txn.Reserve(main, absl::StrCat("reserved", size), size));
    std::fill(span.begin(), span.end(), static_cast<char>('a' + size % 7));
  }
  ASSERT_THAT(txn.DeleteRange(main, KeyRange::Between("key2", "key3")), IsOk());
  ASSERT_THAT(txn.Delete(main, "key17"), IsOkAndHolds(true));
  ASSERT_THAT(txn.Commit(), IsOk());
  ASSERT_THAT(db.DropKeyspace(gone), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction rename, db.BeginWrite());
  ASSERT_THAT(rename.RenameKeyspace(packed, "renamed"), IsOk());
  ASSERT_THAT(rename.Delete(main, "large"), IsOkAndHolds(true));
  ASSERT_THAT(rename.Put(main, "other large", std::string(200000, 'o')), IsOk());
  ASSERT_THAT(rename.Commit(), IsOk());
  ASSERT_THAT(db.Put(main, "last", "one"), IsOk());
}

// The log had a large value twice that was reserved twice, or put afterwards, and recovery ended
// there.
TEST_P(RecoveryTest, LargeValuesThatAreReservedAgain) {
  Contents expected;
  {
    Database db = Open();
    const Keyspace main = db.default_keyspace();
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
    for (const char* const key : {"twice", "twice", "then put"}) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const auto span, txn.Reserve(main, key, 100000));
      std::fill(span.begin(), span.end(), 'r');
    }
    ASSERT_THAT(txn.Put(main, "then put", std::string(100000, 'p')), IsOk());
    ASSERT_THAT(txn.Commit(), IsOk());
    ASSERT_THAT(db.Put(main, "last", "one"), IsOk());
    expected = ContentsOf(db);
    Abandon(std::move(db));
  }
  Database db = Open();
  EXPECT_EQ(ContentsOf(db), expected);
}

// The log refers to the leaves that were filled; they must come through whatever follows.
TEST_P(RecoveryTest, AppendedLeaves) {
  constexpr int kAppends = 8000;
  const auto append = [](WriteTransaction& txn, const Keyspace& keyspace, int first, int count) {
    for (int i = first; i < first + count; ++i) {
      ASSERT_THAT(
          txn.Append(keyspace, absl::StrCat("s", 100'000 + i), std::string(150, 'a' + i % 26)),
          IsOk());
    }
  };
  Contents expected;
  uint64_t log_bytes = 0;
  {
    Database db = Open();
    const Keyspace main = db.default_keyspace();
    ASSERT_THAT(db.Put(main, "first", "1"), IsOk());
    const auto commit = [&](auto change) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
      change(txn);
      ASSERT_THAT(txn.Commit(), IsOk());
    };
    int next = 0;
    const auto append_more = [&](WriteTransaction& txn) {
      append(txn, main, next, kAppends);
      next += kAppends;
    };
    // Nothing else; then with changes of what was appended, before and after.
    commit(append_more);
    log_bytes = db.GetStats()->log_used_bytes;
    commit(append_more);
    commit([&](WriteTransaction& txn) {
      append_more(txn);
      ASSERT_THAT(txn.Delete(main, absl::StrCat("s", 100'000 + next - 5)), IsOkAndHolds(true));
      ASSERT_THAT(txn.Put(main, absl::StrCat("s", 100'000 + next - 3), "changed"), IsOk());
      append_more(txn);
    });
    commit([&](WriteTransaction& txn) {
      ASSERT_THAT(txn.DeleteRange(main, KeyRange::From(absl::StrCat("s", 100'000 + next - 500))),
                  IsOk());
      append_more(txn);
      ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace other, txn.CreateKeyspace("other"));
      append(txn, other, 0, kAppends);
      append(txn, main, next, 10);
      append(txn, other, kAppends, kAppends);
      next += 10;
    });
    commit([&](WriteTransaction& txn) {
      append_more(txn);
      ESPALIER_ASSERT_OK_AND_ASSIGN(const auto span, txn.Reserve(main, "reserved", 100));
      std::fill(span.begin(), span.end(), 'r');
      append_more(txn);
    });
    // A key that was reserved and deleted comes again.
    commit([&](WriteTransaction& txn) {
      const std::string key = absl::StrCat("s", 100'000 + next + 500);
      ESPALIER_ASSERT_OK_AND_ASSIGN(const auto span, txn.Reserve(main, key, 100));
      std::fill(span.begin(), span.end(), 'r');
      ASSERT_THAT(txn.Delete(main, key), IsOkAndHolds(true));
      append_more(txn);
    });
    // Leaves are replaced, and their pages must not be used again.
    for (int i = 0; i < next; i += 7) {
      ASSERT_THAT(db.Put(main, absl::StrCat("s", 100'000 + i), "put"), IsOk());
    }
    for (int i = 0; i < 3000; ++i) {
      ASSERT_THAT(db.Put(main, absl::StrCat("a", i), std::string(300, 'x')), IsOk());
    }
    expected = ContentsOf(db);
    ExpectSound(db);
    Abandon(std::move(db));
  }
  // Not a byte for each that was appended.
  EXPECT_LT(log_bytes, 150'000u);
  for (int i = 0; i < 2; ++i) {
    Database reader = Open(/*read_only=*/true);
    EXPECT_EQ(ContentsOf(reader), expected);
  }
  for (int i = 0; i < 2; ++i) {
    Database db = Open();
    EXPECT_EQ(ContentsOf(db), expected);
    ExpectSound(db);
    // The next recovery finds what this one has found.
    if (i == 0) Abandon(std::move(db));
  }
}

// Pages of a version that was lost with the power may be on the disk: another one must not be taken
// for it.
TEST_P(RecoveryTest, VersionsThatWereLostDoNotComeAgain) {
  const auto commit = [](Database& db) {
    EXPECT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    return db.GetStats()->newest_version;
  };
  {
    Database db = Open();
    commit(db);
    ASSERT_THAT(db.Checkpoint(), IsOk());
    Abandon(std::move(db));
  }
  uint64_t newest = 0;
  for (int i = 0; i < 3; ++i) {
    SCOPED_TRACE(i);
    Database db = Open();
    const auto files = Files();
    const uint64_t version = commit(db);
    EXPECT_GT(version, newest);
    newest = version;
    Abandon(std::move(db));
    // Nothing of it has reached the disk.
    for (const auto& [path, content] : files) {
      FILE* const file = std::fopen(path.c_str(), "wb");
      EXPECT_EQ(std::fwrite(content.data(), 1, content.size(), file), content.size());
      std::fclose(file);
    }
  }
}

TEST_P(RecoveryTest, Everything) {
  Contents expected;
  {
    Database db = Open();
    DoEverything(db);
    expected = ContentsOf(db);
    ExpectSound(db);
    Abandon(std::move(db));
  }
  // For a reader in private, and again; nothing of it reaches the files.
  const auto files = Files();
  for (int i = 0; i < 2; ++i) {
    Database reader = Open(/*read_only=*/true);
    EXPECT_EQ(ContentsOf(reader), expected);
    ExpectSound(reader);
  }
  EXPECT_EQ(Files(), files);
  for (int i = 0; i < 3; ++i) {
    Database db = Open();
    EXPECT_EQ(ContentsOf(db), expected);
    ExpectSound(db);
    const std::string key = absl::StrCat("recovered ", i);
    ASSERT_THAT(db.Put(db.default_keyspace(), key, std::string(70000, 'r')), IsOk());
    expected[""][key] = std::string(70000, 'r');
    Abandon(std::move(db));
  }
  Database db = Open();
  EXPECT_EQ(ContentsOf(db), expected);
  ASSERT_THAT(db.Close(), IsOk());
  EXPECT_EQ(Files().size(), 1u);
  Database closed = Open();
  EXPECT_EQ(ContentsOf(closed), expected);
  ExpectSound(closed);
}

INSTANTIATE_TEST_SUITE_P(Durabilities, RecoveryTest,
                         ::testing::Values(Durability::kSync, Durability::kAsync));

// Larger than a log may be: then as large as it may be.
TEST(LogSizeTest, IsLimited) {
  const os::TempDir dir;
  const std::string path = dir.File("db.esp");
  Options options;
  options.log_size_bytes = uint64_t{1} << 42;
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, options));
  EXPECT_THAT(db.Get(db.default_keyspace(), "key"), IsOkAndHolds("value"));
}

class LostLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Database db = Database::Open(path_).value();
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  void ExpectDataLoss(std::string_view why) {
    for (const bool read_only : {false, true}) {
      Options options;
      options.read_only = read_only;
      const auto db = Database::Open(path_, options);
      ASSERT_THAT(db, StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(std::string(db.status().message()), ::testing::HasSubstr(std::string(why)));
    }
  }

  os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
  const std::string log_ = path_ + "-wal";
};

TEST_F(LostLogTest, Missing) {
  std::filesystem::remove(log_);
  ExpectDataLoss("missing");
}

TEST_F(LostLogTest, Damaged) {
  std::filesystem::resize_file(log_, 30);
  ExpectDataLoss("damaged");
}

TEST_F(LostLogTest, OfAnotherDatabase) {
  const std::string other = dir_.File("other.esp");
  {
    Database db = Database::Open(other).value();
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "other"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  std::filesystem::rename(other + "-wal", log_);
  ExpectDataLoss("another database");
}

// An older log of the same database: a backup that was put back, for instance.
TEST_F(LostLogTest, Older) {
  const std::string saved = dir_.File("saved");
  std::filesystem::copy_file(log_, saved);
  {
    Database db = Database::Open(path_).value();
    ASSERT_THAT(db.Close(), IsOk());
  }
  {
    Database db = Database::Open(path_).value();
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "newer"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  std::filesystem::rename(saved, log_);
  ExpectDataLoss("does not connect");
}

// The slot that began the log is damaged, and the one before it says that all is well.
TEST_F(LostLogTest, TheCleanSlotIsNotTheNewest) {
  int found = 0;
  for (const int offset : {16384, 32768}) {
    const std::string copy = dir_.File(absl::StrCat("copy", offset));
    std::filesystem::copy_file(path_, copy);
    std::filesystem::copy_file(log_, copy + "-wal");
    FILE* const file = std::fopen(copy.c_str(), "r+b");
    std::fseek(file, offset, SEEK_SET);
    std::fputs("damaged", file);
    std::fclose(file);
    const absl::Status opened = Database::Open(copy).status();
    if (opened.ok()) continue;  // the other one was the newest
    ++found;
    EXPECT_THAT(opened, StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(std::string(opened.message()), ::testing::HasSubstr("goes on from it"));
  }
  EXPECT_EQ(found, 1);
}

// A log that is left over from before the clean close is of no use, and does no harm; one of
// another database is not overwritten.
TEST_F(LostLogTest, LeftOver) {
  const std::string saved = dir_.File("saved");
  std::filesystem::copy_file(log_, saved);
  {
    Database db = Database::Open(path_).value();
    ASSERT_THAT(db.Close(), IsOk());
  }
  std::filesystem::copy_file(saved, log_);
  {
    Database db = Database::Open(path_).value();
    ASSERT_THAT(db.Put(db.default_keyspace(), "new", "1"), IsOk());
    ASSERT_THAT(db.Close(), IsOk());
  }
  std::filesystem::copy_file(path_, log_);  // something else of that name
  Database db = Database::Open(path_).value();
  EXPECT_THAT(db.Put(db.default_keyspace(), "new", "2"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(db.Get(db.default_keyspace(), "new"), IsOkAndHolds(std::string("1")));
}

}  // namespace
}  // namespace espalier
