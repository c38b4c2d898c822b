// A disk on which only so much is free, at every level from nothing to more than the work needs:
// what does not fit is kResourceExhausted and leaves no trace, what was committed is there, and
// when there is room again all goes on, in the same handle, without reopening.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "tests/hostile/scratch_dir.h"

namespace espalier {
namespace {

using testing::FileSystem;
using ::testing::IsEmpty;
using testing::SmallFileSystem;

using Model = std::map<std::string, std::string>;

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kDiskBytes = uint64_t{8} << 20;
// Below the first every page is a level of its own, above it each of these steps.
constexpr uint64_t kFineBytes = 8 * kPageBytes;
constexpr uint64_t kStepBytes = uint64_t{64} << 10;

Options SmallLog(Durability durability) {
  Options options;
  options.durability = durability;
  options.address_space_bytes = size_t{16} << 20;
  options.log_size_bytes = uint64_t{1} << 20;
  return options;
}

uint64_t FreeBytes(const SmallFileSystem& disk) {
  struct statvfs info;
  EXPECT_EQ(statvfs(disk.path().c_str(), &info), 0);
  return info.f_bavail * info.f_frsize;
}

// Another file, which leaves so much of the disk.
class Filler {
 public:
  Filler(const SmallFileSystem& disk, uint64_t free_bytes) : path_(disk.File("filler")) {
    const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const uint64_t free = FreeBytes(disk);
    uint64_t length = free - std::min(free, free_bytes);
    // Its own extents need room, too.
    while (length >= 1024 && posix_fallocate(fd, 0, static_cast<off_t>(length)) != 0) {
      length -= 1024;
    }
    close(fd);
  }
  ~Filler() { std::filesystem::remove(path_); }
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;

 private:
  const std::string path_;
};

enum class Belief { kWhatItIsTold, kThatAllSucceeds };

// A database with a model beside it.
class Life {
 public:
  Life(std::string path, Durability durability, Belief belief = Belief::kWhatItIsTold)
      : path_(std::move(path)), options_(SmallLog(durability)), belief_(belief) {}

  // Of the calls that may find the disk full.
  int calls() const { return calls_; }
  int failures() const { return failures_; }
  bool is_open() const { return db_.has_value(); }

  void Open() {
    absl::StatusOr<Database> db = Database::Open(path_, options_);
    if (Succeeded(db.status())) db_.emplace(*std::move(db));
  }

  // Without a checkpoint, as if the process had died.
  void Abandon() {
    std::optional<ReadTransaction> reader;
    reader.emplace(db_->BeginRead().value());
    db_.reset();
  }

  void Close() {
    if (Succeeded(db_->Close())) db_.reset();
  }

  void PutSome(int values, size_t value_bytes) {
    const int first = next_key_;
    next_key_ += values;
    Commit([&](WriteTransaction& txn, Model& after) -> absl::Status {
      for (int i = first; i < first + values; ++i) {
        const std::string key = absl::StrCat("key", 10000 + i);
        const std::string value(value_bytes, static_cast<char>('a' + i % 26));
        ESPALIER_RETURN_IF_ERROR(txn.Put(db_->default_keyspace(), key, value));
        after[key] = value;
      }
      return absl::OkStatus();
    });
  }

  void OverwriteAll() {
    Commit([&](WriteTransaction& txn, Model& after) -> absl::Status {
      for (auto& [key, value] : after) {
        value = std::string(value.size(), 'z');
        ESPALIER_RETURN_IF_ERROR(txn.Put(db_->default_keyspace(), key, value));
      }
      return absl::OkStatus();
    });
  }

  void DeleteHalf() {
    if (model_.empty()) return;
    const std::string middle =
        std::next(model_.begin(), static_cast<ptrdiff_t>(model_.size() / 2))->first;
    Commit([&](WriteTransaction& txn, Model& after) -> absl::Status {
      after.erase(after.begin(), after.lower_bound(middle));
      return txn.DeleteRange(db_->default_keyspace(), KeyRange::Between("", middle)).status();
    });
  }

  void Checkpoint() { Succeeded(db_->Checkpoint()); }
  void Compact() { Succeeded(db_->Compact().status()); }
  void WaitDurable() {
    if (last_commit_.has_value()) Succeeded(db_->WaitDurable(*last_commit_));
  }

  void ExpectContent() {
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db_->BeginRead());
    Model found;
    Scan scan = txn.Scan(db_->default_keyspace());
    for (const Entry& entry : scan) found.emplace(entry.key, entry.value);
    EXPECT_THAT(scan.status(), IsOk());
    // Not EXPECT_EQ, which prints megabytes.
    EXPECT_TRUE(found == model_) << found.size() << " entries, not " << model_.size();
  }

  // A checkpoint appends a mark to the log before it looks for pages. When it found none, the mark
  // stayed in memory, and Verify() called the log damaged: with three pages free, for example.
  void ExpectSound() {
    ExpectContent();
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db_->Verify());
    EXPECT_THAT(report.problems, IsEmpty());
  }

 private:
  bool Succeeded(const absl::Status& status) {
    ++calls_;
    if (status.ok()) return true;
    ++failures_;
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    return false;
  }

  void Commit(const std::function<absl::Status(WriteTransaction&, Model&)>& change) {
    Model after = model_;
    const absl::StatusOr<CommitToken> token =
        db_->Update([&](WriteTransaction& txn) { return change(txn, after); });
    const bool succeeded = Succeeded(token.status());
    if (succeeded) last_commit_ = *token;
    if (succeeded || belief_ == Belief::kThatAllSucceeds) model_ = std::move(after);
    ExpectContent();
  }

  const std::string path_;
  const Options options_;
  const Belief belief_;
  std::optional<Database> db_;
  Model model_;
  std::optional<CommitToken> last_commit_;
  int next_key_ = 0;
  int calls_ = 0;
  int failures_ = 0;
};

// What is done at every level, until the database does not open again.
void Work(Life& life, bool abandon) {
  life.PutSome(1, 100);
  for (int i = 0; i < 8; ++i) life.PutSome(5, 3000);
  life.PutSome(1, 100000);
  life.WaitDurable();
  life.Checkpoint();
  life.OverwriteAll();
  life.PutSome(2, 200000);  // too large for the log
  life.DeleteHalf();
  life.PutSome(40, 500);
  life.Compact();
  life.ExpectSound();
  if (abandon) {
    life.Abandon();
  } else {
    life.Close();
  }
  if (!life.is_open()) life.Open();
  if (!life.is_open()) return;
  life.ExpectSound();
  life.PutSome(2, 1000);
  life.DeleteHalf();
  life.Checkpoint();
  life.ExpectSound();
}

enum class FullFrom { kOpening, kFirstCommit };

class FillLevelTest
    : public ::testing::TestWithParam<std::tuple<FileSystem, Durability, FullFrom>> {
 protected:
  struct Counts {
    int calls;
    int failures;
  };

  // With so many bytes free.
  Counts LiveAt(const SmallFileSystem& disk, uint64_t free_bytes, bool abandon) {
    const auto [kind, durability, full_from] = GetParam();
    const std::string path = disk.File("db.esp");
    for (const std::string& name : {path, path + "-wal"}) std::filesystem::remove(name);
    Life life(path, durability);
    life.Open();
    life.PutSome(20, 1000);
    if (full_from == FullFrom::kOpening) life.Close();
    const int easy_calls = life.calls();
    EXPECT_EQ(life.failures(), 0);

    {
      const Filler filler(disk, free_bytes);
      if (!life.is_open()) life.Open();
      if (life.is_open()) Work(life, abandon);
    }

    const Counts counts = {life.calls() - easy_calls, life.failures()};
    if (!life.is_open()) life.Open();
    EXPECT_TRUE(life.is_open());
    if (life.is_open()) {
      life.ExpectSound();
      Work(life, !abandon);
      life.Close();
      life.Open();
      life.ExpectSound();
      life.Close();
    }
    EXPECT_EQ(life.failures(), counts.failures) << "though there was room again";
    return counts;
  }
};

TEST_P(FillLevelTest, NothingIsLostAndAllGoesOnAfterwards) {
  const auto disk = SmallFileSystem::Mount(std::get<FileSystem>(GetParam()), kDiskBytes);
  if (disk == nullptr) GTEST_SKIP() << "cannot mount a small file system";
  int levels = 0;
  int calls = 0;
  int failures = 0;
  bool fits = false;
  for (uint64_t free_bytes = 0; !fits && !HasFailure();) {
    SCOPED_TRACE(absl::StrCat(free_bytes, " bytes free"));
    ASSERT_LT(free_bytes, kDiskBytes) << "it never fits";
    const Counts counts = LiveAt(*disk, free_bytes, /*abandon=*/levels % 2 == 0);
    calls += counts.calls;
    failures += counts.failures;
    fits = counts.failures == 0;
    ++levels;
    free_bytes += free_bytes < kFineBytes ? kPageBytes : kStepBytes;
  }
  std::printf("%d levels: of %d calls, %d found the disk full\n", levels, calls, failures);
  EXPECT_GT(failures, 0);
}

// The canary.
TEST(FillLevelCanaryTest, FindsACommitThatIsNotThere) {
  const auto disk = SmallFileSystem::Mount(FileSystem::kTmpfs, kDiskBytes);
  if (disk == nullptr) GTEST_SKIP() << "cannot mount a small file system";
  Life life(disk->File("db.esp"), Durability::kSync, Belief::kThatAllSucceeds);
  life.Open();
  life.PutSome(20, 1000);
  const Filler filler(*disk, 0);
  EXPECT_NONFATAL_FAILURE(life.PutSome(100, 10000), "20 entries, not ");
  EXPECT_EQ(life.failures(), 1);
}

std::string NameOf(const ::testing::TestParamInfo<FillLevelTest::ParamType>& info) {
  const auto [kind, durability, full_from] = info.param;
  return absl::StrCat(kind == FileSystem::kTmpfs ? "Tmpfs" : "Ext4",
                      durability == Durability::kSync ? "Sync" : "Async",
                      full_from == FullFrom::kOpening ? "FromOpening" : "FromFirstCommit");
}

INSTANTIATE_TEST_SUITE_P(
    All, FillLevelTest,
    ::testing::Combine(::testing::Values(FileSystem::kTmpfs, FileSystem::kExt4),
                       ::testing::Values(Durability::kSync, Durability::kAsync),
                       ::testing::Values(FullFrom::kOpening, FullFrom::kFirstCommit)),
    NameOf);

}  // namespace
}  // namespace espalier
