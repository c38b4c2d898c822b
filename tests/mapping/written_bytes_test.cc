// What the kernel will write to the device because of what was stored: the pages that changed, and
// little more. A store into a large folio of the page cache has all of it written; folios come from
// loads, from read-ahead and from other programs that read the file, and are nowhere larger than 2
// MiB.

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

constexpr uint64_t kRecords = 200000;
constexpr uint64_t kUpdates = 256;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kLogBytes = uint64_t{8} << 20;
constexpr uint64_t kLargeRecordBytes = 60000;
constexpr uint64_t kLargestFolioBytes = uint64_t{2} << 20;

std::string KeyOf(uint64_t i) { return absl::StrFormat("key %012d", i); }

// As the kernel counts it: when a page becomes dirty. File systems in memory count nothing.
uint64_t WrittenBytes() {
  std::ifstream io("/proc/self/io");
  std::string name;
  uint64_t bytes = 0;
  while (io >> name >> bytes) {
    if (name == "write_bytes:") return bytes;
  }
  ADD_FAILURE() << "no write_bytes in /proc/self/io";
  return 0;
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

uint64_t ChangedPages(std::string_view before, std::string_view after) {
  uint64_t pages = 0;
  for (size_t at = 0; at < after.size(); at += kPageBytes) {
    if (at >= before.size() || before.substr(at, kPageBytes) != after.substr(at, kPageBytes)) {
      ++pages;
    }
  }
  return pages;
}

class WriteBacks : public os::SystemCallObserver {
 public:
  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind != os::SystemCallKind::kWriteBack) return 0;
    const uint64_t last = call.offset + call.length - 1;
    if (call.length == kLargestFolioBytes) ++large;
    if (call.offset / kLargestFolioBytes != last / kLargestFolioBytes) ++across;
    return 0;
  }

  int large = 0;
  int across = 0;  // of folios that the next one writes again

 private:
  os::ScopedSystemCallObserver observing_{this};
};

class WrittenBytesTest : public ::testing::Test {
 protected:
  void Load() {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction transaction, db.BeginWrite());
    for (uint64_t i = 0; i < kRecords; ++i) {
      ASSERT_THAT(transaction.Append(db.default_keyspace(), KeyOf(i), std::string(100, 'v')),
                  IsOk());
    }
    ASSERT_THAT(transaction.Commit(), IsOk());
    ASSERT_THAT(db.Close(), IsOk());
  }

  // What is measured are the pages of the database.
  absl::StatusOr<Database> OpenWithoutLog() const {
    Options options;
    options.durability = Durability::kCheckpoint;
    return Database::Open(path_, options);
  }

  // Forgets what the page cache has of the file.
  void MakeCold() const {
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(fdatasync(fd), 0);
    EXPECT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
  }

  // Scattered updates, each a transaction, and a checkpoint.
  void Update(Database& db) {
    for (uint64_t i = 0; i < kUpdates; ++i) {
      ASSERT_THAT(db.Put(db.default_keyspace(), KeyOf(random_() % kRecords),
                         absl::StrFormat("%0100d", random_() % 1000)),
                  IsOk());
    }
    ASSERT_THAT(db.Checkpoint(), IsOk());
  }

  void ExpectLittleWritten(Database& db, std::string_view state) {
    for (int round = 0; round < 4; ++round) {
      const std::string before = Contents(path_);
      const uint64_t written_before = WrittenBytes();
      Update(db);
      const uint64_t written = WrittenBytes() - written_before;
      const uint64_t changed = ChangedPages(before, Contents(path_)) * kPageBytes;
      EXPECT_GT(changed, 100 * kPageBytes);
      EXPECT_GT(written, 0u) << "this file system does not count";
      EXPECT_LE(written, 2 * changed) << state << ", round " << round;
    }
  }

  absl::StatusOr<Database> OpenWithLog() const {
    Options options;
    options.durability = Durability::kAsync;
    options.log_size_bytes = kLogBytes;
    return Database::Open(path_, options);
  }

  // Commits that do not go past the page cache, each flushed. None goes round the ring.
  static void ExpectLittleWrittenByCommits(Database& db) {
    constexpr uint64_t kCommits = 500;
    static_assert(kCommits * kPageBytes < kLogBytes / 2);
    const auto commit = [&](uint64_t i) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken token,
                                    db.Put(db.default_keyspace(), KeyOf(i), "value"));
      ASSERT_THAT(db.WaitDurable(token), IsOk());
    };
    commit(0);
    const uint64_t before = WrittenBytes();
    for (uint64_t i = 1; i <= kCommits; ++i) commit(i);
    const uint64_t written = WrittenBytes() - before;
    EXPECT_GT(written, kCommits * kPageBytes / 2) << "this file system does not count";
    // The zeros that come before, and the record; the pages of the tree, once.
    EXPECT_LE(written, 4 * kCommits * kPageBytes);
  }

  os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
  std::mt19937_64 random_{TestSeed(1)};
};

TEST_F(WrittenBytesTest, AfterALoad) {
  Load();
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, OpenWithoutLog());
  ExpectLittleWritten(db, "self-written");
}

TEST_F(WrittenBytesTest, OfAColdFile) {
  Load();
  MakeCold();
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, OpenWithoutLog());
  ExpectLittleWritten(db, "cold");
}

TEST_F(WrittenBytesTest, OfAFileThatAnotherProcessRead) {
  Load();
  MakeCold();
  // Reads ahead, and leaves large folios in the page cache.
  ASSERT_EQ(std::system(absl::StrCat("cat '", path_, "' > /dev/null").c_str()), 0);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, OpenWithoutLog());
  ExpectLittleWritten(db, "read by another process");
}

// What was acknowledged is not written again, be it with the same bytes.
TEST_F(WrittenBytesTest, OfALogThatIsFlushedOftenAndNotDirectly) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, OpenWithLog());
  ExpectLittleWrittenByCommits(db);
}

// Nor where the log had large records in the round before, each by one write.
TEST_F(WrittenBytesTest, OfALogThatHadLargeRecords) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, OpenWithLog());
  for (uint64_t i = 0; i < 2 * kLogBytes / kLargeRecordBytes; ++i) {
    ASSERT_THAT(db.Put(db.default_keyspace(), KeyOf(i % 4), std::string(kLargeRecordBytes, 'v')),
                IsOk());
  }
  ASSERT_THAT(db.Checkpoint(), IsOk());
  // A page that is dirty still would not be counted.
  const int log = open((path_ + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(log, 0);
  EXPECT_EQ(fdatasync(log), 0);
  close(log);
  ExpectLittleWrittenByCommits(db);
}

TEST_F(WrittenBytesTest, OfOneFolioInOneStep) {
  Load();
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, OpenWithoutLog());
  const WriteBacks write_backs;
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction transaction, db.BeginWrite());
  for (uint64_t i = 0; i < kRecords; ++i) {
    ASSERT_THAT(transaction.Put(db.default_keyspace(), KeyOf(i), std::string(100, 'w')), IsOk());
  }
  ASSERT_THAT(transaction.Commit(), IsOk());
  ASSERT_THAT(db.Checkpoint(), IsOk());
  EXPECT_GT(write_backs.large, 8);
  EXPECT_EQ(write_backs.across, 0);
}

}  // namespace
}  // namespace espalier
