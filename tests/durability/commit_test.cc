// How many flushes a commit costs, and what each kind of durability waits for.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/waiting_thread.h"

namespace espalier {
namespace {

// Counts what makes something durable.
class FlushCounter : public os::SystemCallObserver {
 public:
  // Of files whose path ends with this.
  explicit FlushCounter(std::string_view suffix = "") : suffix_(suffix) {}

  int flushes() const { return flushes_; }
  int finished() const { return finished_; }
  uint64_t largest() const { return largest_; }

  int BeforeCall(const os::SystemCall& call) override {
    if (!IsFlush(call)) return 0;
    ++flushes_;
    if (call.length > largest_) largest_ = call.length;
    if (delay_.count() > 0) std::this_thread::sleep_for(delay_);
    return 0;
  }
  void AfterCall(const os::SystemCall& call, int /*result_errno*/) override {
    if (IsFlush(call)) ++finished_;
  }

  // Each flush takes so long, as on a slow disk.
  std::chrono::milliseconds delay_{0};

 private:
  bool IsFlush(const os::SystemCall& call) const {
    using Kind = os::SystemCallKind;
    const bool flush = call.kind == Kind::kSyncMapping || call.kind == Kind::kSyncData ||
                       call.kind == Kind::kSyncAll || call.durable;
    return flush && call.path.ends_with(suffix_);
  }

  const std::string_view suffix_;

  std::atomic<int> flushes_{0};
  std::atomic<int> finished_{0};
  std::atomic<uint64_t> largest_{0};
  os::ScopedSystemCallObserver observing_{this};
};

class CommitTest : public ::testing::Test {
 protected:
  Database Open(Durability durability = Durability::kSync) {
    Options options;
    options.durability = durability;
    options.log_size_bytes = uint64_t{16} << 20;
    return Database::Open(path_, options).value();
  }
  // Makes the log, and has it written to some extent.
  static void Begin(Database& db) {
    ASSERT_THAT(db.Put(db.default_keyspace(), "first", "value"), IsOk());
  }

  os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
};

TEST_F(CommitTest, SyncIsOneFlush) {
  Database db = Open();
  Begin(db);
  const FlushCounter counter;
  for (int i = 0; i < 100; ++i) {
    ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat("key", i), std::string(100, 'v')),
                IsOk());
  }
  EXPECT_EQ(counter.flushes(), 100);
  EXPECT_LE(counter.largest(), 4096u);
}

TEST_F(CommitTest, AsyncIsNone) {
  Database db = Open(Durability::kAsync);
  Begin(db);
  const FlushCounter counter;
  CommitToken token;
  for (int i = 0; i < 100; ++i) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(token, db.Put(db.default_keyspace(), absl::StrCat(i), "value"));
  }
  EXPECT_EQ(counter.flushes(), 0);
  // Visible, then durable: all of them with one.
  EXPECT_THAT(db.Get(db.default_keyspace(), "99"), IsOkAndHolds(std::string("value")));
  EXPECT_THAT(db.WaitDurable(token), IsOk());
  EXPECT_EQ(counter.flushes(), 1);
  EXPECT_THAT(db.WaitDurable(token), IsOk());
  EXPECT_EQ(counter.flushes(), 1);
  EXPECT_THAT(db.WaitDurable({token.version + 1}), StatusIs(absl::StatusCode::kInvalidArgument));
}

// What it has seen is durable when it returns.
TEST_F(CommitTest, SyncThatChangesNothing) {
  Database db = Open(Durability::kAsync);
  Begin(db);
  const FlushCounter counter;
  ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
  EXPECT_EQ(counter.flushes(), 0);
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(db.Write(WriteBatch(), {.durability = Durability::kSync}), IsOk());
    EXPECT_EQ(counter.flushes(), 1);
  }
  ASSERT_THAT(db.Put(db.default_keyspace(), "key", "other"), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn,
                                db.BeginWrite({.durability = Durability::kSync}));
  EXPECT_THAT(txn.Delete(db.default_keyspace(), "nothing"), IsOkAndHolds(false));
  ASSERT_THAT(txn.Commit(), IsOk());
  EXPECT_EQ(counter.flushes(), 2);
  // The next writer is not kept out.
  ASSERT_THAT(db.Put(db.default_keyspace(), "key", "last"), IsOk());
}

TEST_F(CommitTest, CheckpointWaitsForACheckpoint) {
  Database db = Open(Durability::kCheckpoint);
  const FlushCounter counter;
  ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken token,
                                db.Put(db.default_keyspace(), "key", "value"));
  const int before = counter.flushes();
  EXPECT_THAT(db.WaitDurable(token), IsOk());
  EXPECT_EQ(counter.flushes(), before + 2);  // of the data and of the slot
  EXPECT_EQ(db.GetStats()->checkpoints, 1u);
}

// Eight threads on a disk that takes two milliseconds.
TEST_F(CommitTest, FlushesAreShared) {
  constexpr int kThreads = 8;
  constexpr int kCommits = 50;
  Database db = Open();
  Begin(db);
  FlushCounter counter;
  counter.delay_ = std::chrono::milliseconds(2);
  const auto run = [&](const auto& commit) {
    const int before = counter.flushes();
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kCommits; ++i) commit(absl::StrCat("key ", thread, " ", i));
      });
    }
    for (std::thread& thread : threads) thread.join();
    return counter.flushes() - before;
  };
  const auto put = [&](const std::string& key) {
    EXPECT_THAT(db.Put(db.default_keyspace(), key, "value"), IsOk());
  };
  const auto transaction = [&](const std::string& key) {
    auto txn = db.BeginWrite();
    ASSERT_THAT(txn, IsOk());
    ASSERT_THAT(txn->Put(db.default_keyspace(), key, "value"), IsOk());
    ASSERT_THAT(txn->Commit(), IsOk());
  };
  const auto update = [&](const std::string& key) {
    EXPECT_THAT(
        db.Update([&](WriteTransaction& txn) { return txn.Put(db.default_keyspace(), key, "v"); }),
        IsOk());
  };
  EXPECT_LT(run(put), kThreads * kCommits / 2);
  EXPECT_LT(run(transaction), kThreads * kCommits / 2);
  EXPECT_LT(run(update), kThreads * kCommits / 2);
}

// Who finds another thread flushing for both waits until that has ended.
TEST_F(CommitTest, WhoSharesAFlushWaitsForIt) {
  Database db = Open();
  Begin(db);
  FlushCounter counter;
  counter.delay_ = std::chrono::milliseconds(100);
  const auto commit = [&](const char* key, int flushes) {
    WriteTransaction txn = *db.BeginWrite();
    EXPECT_THAT(txn.Put(db.default_keyspace(), key, "value"), IsOk());
    EXPECT_THAT(txn.Commit(), IsOk());
    EXPECT_GE(counter.finished(), flushes);
  };
  std::thread first([&] { commit("first", 1); });
  while (counter.flushes() == 0) std::this_thread::yield();
  std::thread second = testing::StartUntilItWaits([&] { commit("second", 2); });
  std::thread third = testing::StartUntilItWaits([&] { commit("third", 2); });
  for (std::thread* const thread : {&first, &second, &third}) thread->join();
  EXPECT_EQ(counter.flushes(), 2);
}

// The group that collects while another one is flushed lets go of the writer's place at once.
TEST_F(CommitTest, AGroupThatCollectsKeepsNobodyOut) {
  Database db = Open();
  Begin(db);
  FlushCounter counter;
  counter.delay_ = std::chrono::milliseconds(500);
  const auto put = [&](const char* key) {
    return std::thread(
        [&db, key] { EXPECT_THAT(db.Put(db.default_keyspace(), key, "value"), IsOk()); });
  };
  std::thread flushed = put("flushed");
  while (counter.flushes() == 0) std::this_thread::yield();
  std::thread collecting = put("collecting");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
  EXPECT_EQ(counter.finished(), 0);
  ASSERT_THAT(txn.Put(db.default_keyspace(), "transaction", "value"), IsOk());
  ASSERT_THAT(txn.Commit(), IsOk());
  EXPECT_EQ(counter.finished(), 2);  // the second one was for both
  flushed.join();
  collecting.join();
}

// Nobody sees a kSync commit before it is durable.
TEST_F(CommitTest, DurableBeforeVisible) {
  Database db = Open();
  Begin(db);
  FlushCounter counter;
  counter.delay_ = std::chrono::milliseconds(200);
  std::thread writer([&] { ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk()); });
  while (counter.flushes() == 0) std::this_thread::yield();
  EXPECT_THAT(db.Get(db.default_keyspace(), "key"), StatusIs(absl::StatusCode::kNotFound));
  writer.join();
  EXPECT_THAT(db.Get(db.default_keyspace(), "key"), IsOkAndHolds(std::string("value")));
}

// A flush takes what was appended, though its writer may not have come to say who is to see it.
TEST_F(CommitTest, VisibleWhenItIsAcknowledged) {
  constexpr int kThreads = 4;
  constexpr int kCommits = 3000;
  Database db = Open();
  Begin(db);
  std::atomic<int> invisible = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string key = absl::StrCat("key", thread);
      for (int i = 0; i < kCommits; ++i) {
        WriteTransaction txn = *db.BeginWrite();
        EXPECT_THAT(txn.Put(db.default_keyspace(), key, absl::StrCat(i)), IsOk());
        EXPECT_THAT(txn.Commit(), IsOk());
        if (*db.Get(db.default_keyspace(), key) != absl::StrCat(i)) ++invisible;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(invisible, 0);
}

// A kAsync commit that comes while a kSync one is being flushed waits for that flush: it is built
// on what is not durable yet, and versions become visible in their order.
TEST_F(CommitTest, AsyncDoesNotOvertakeSync) {
  Database db = Open();
  Begin(db);
  FlushCounter counter;
  counter.delay_ = std::chrono::milliseconds(200);
  std::thread writer([&] { ASSERT_THAT(db.Put(db.default_keyspace(), "sync", "1"), IsOk()); });
  while (counter.flushes() == 0) std::this_thread::yield();
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn,
                                db.BeginWrite({.durability = Durability::kAsync}));
  ASSERT_THAT(txn.Put(db.default_keyspace(), "async", "2"), IsOk());
  ASSERT_THAT(txn.Commit(), IsOk());
  EXPECT_GE(counter.finished(), 1);
  EXPECT_THAT(db.Get(db.default_keyspace(), "sync"), IsOkAndHolds(std::string("1")));
  EXPECT_THAT(db.Get(db.default_keyspace(), "async"), IsOkAndHolds(std::string("2")));
  writer.join();
}

// A value of its own pages is written once: to its pages, which are flushed before the record.
TEST_F(CommitTest, LargeValuesAreNotInTheLog) {
  Database db = Open();
  Begin(db);
  const std::string value(1 << 20, 'x');
  const FlushCounter counter;
  ASSERT_THAT(db.Put(db.default_keyspace(), "key", value), IsOk());
  EXPECT_EQ(counter.flushes(), 2);
}

TEST_F(CommitTest, TooLargeForTheLog) {
  Database db = Open();
  Begin(db);
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
  for (int i = 0; i < 60000; ++i) {
    ASSERT_THAT(txn.Put(db.default_keyspace(), absl::StrCat("key", i), std::string(50, 'v')),
                IsOk());
  }
  ASSERT_THAT(txn.Commit(), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db.GetStats());
  EXPECT_EQ(stats.checkpoints, 1u);
  EXPECT_EQ(stats.checkpoint_version, stats.newest_version);
}

// What is logged after unlogged changes must not survive without them.
TEST_F(CommitTest, LoggedAfterUnlogged) {
  {
    Database db = Open();
    Begin(db);
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn,
                                  db.BeginWrite({.durability = Durability::kCheckpoint}));
    ASSERT_THAT(txn.Put(db.default_keyspace(), "unlogged", "1"), IsOk());
    ASSERT_THAT(txn.Commit(), IsOk());
    ASSERT_THAT(db.Put(db.default_keyspace(), "logged", "2"), IsOk());
    EXPECT_EQ(db.GetStats()->checkpoints, 1u);
    ASSERT_THAT(db.Put(db.default_keyspace(), "later", "3"), IsOk());
    EXPECT_EQ(db.GetStats()->checkpoints, 1u);
    // The handle goes without its closing checkpoint.
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  Database db = Open();
  EXPECT_THAT(db.Get(db.default_keyspace(), "unlogged"), IsOkAndHolds(std::string("1")));
  EXPECT_THAT(db.Get(db.default_keyspace(), "later"), IsOkAndHolds(std::string("3")));
}

// The log goes round, and commits wait for the checkpoints that make room.
TEST_F(CommitTest, TheLogStaysWithinItsSize) {
  Options options;
  options.log_size_bytes = uint64_t{1} << 20;
  options.durability = Durability::kAsync;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_, options));
  for (int i = 0; i < 20000; ++i) {
    ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat("key", i % 1000), std::string(500, 'v')),
                IsOk());
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db.GetStats());
  EXPECT_GE(stats.checkpoints, 10u);
  EXPECT_LE(std::filesystem::file_size(path_ + "-wal"), (uint64_t{1} << 20) + 4096);
  ASSERT_THAT(db.Close(), IsOk());
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal")) << "a closed database is one file";
}

// What a checkpoint makes superfluous is not written to the device by it.
TEST_F(CommitTest, ACheckpointFlushesLittleOfTheLog) {
  Database db = Open(Durability::kAsync);
  Begin(db);
  ASSERT_THAT(db.Checkpoint(), IsOk());
  for (int i = 0; i < 2000; ++i) {
    ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat("key", i), std::string(200, 'v')),
                IsOk());
  }
  FlushCounter counter("-wal");
  ASSERT_THAT(db.Checkpoint(), IsOk());
  EXPECT_EQ(counter.flushes(), 1);
  EXPECT_LE(counter.largest(), 2u * 4096);
  // What follows is made durable without it, too.
  ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken token,
                                db.Put(db.default_keyspace(), "last", "value"));
  ASSERT_THAT(db.WaitDurable(token), IsOk());
  EXPECT_EQ(counter.flushes(), 2);
  EXPECT_LE(counter.largest(), 2u * 4096);
}

// Notes when two flushes of one file are under way at once. A direct write is none: it goes through
// a file description of its own, and its errors are its own.
class FlushOverlaps : public os::SystemCallObserver {
 public:
  int overlaps() const { return overlaps_; }
  int flushes() const { return flushes_; }

  int BeforeCall(const os::SystemCall& call) override {
    if (!IsFlush(call)) return 0;
    ++flushes_;
    if (++UnderWay(call) > 1) ++overlaps_;
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    return 0;
  }
  void AfterCall(const os::SystemCall& call, int /*result_errno*/) override {
    if (IsFlush(call)) --UnderWay(call);
  }

 private:
  static bool IsFlush(const os::SystemCall& call) {
    using Kind = os::SystemCallKind;
    return call.kind == Kind::kSyncMapping || call.kind == Kind::kSyncData ||
           call.kind == Kind::kWriteBack || call.kind == Kind::kAwaitWriteBack;
  }
  std::atomic<int>& UnderWay(const os::SystemCall& call) {
    return call.path.ends_with("-wal") ? of_log_ : of_data_;
  }

  std::atomic<int> of_log_{0};
  std::atomic<int> of_data_{0};
  std::atomic<int> overlaps_{0};
  std::atomic<int> flushes_{0};
  os::ScopedSystemCallObserver observing_{this};
};

// INV-9: the kernel reports a failure once for each open file. Were two flushes under way, it could
// report to the one what concerns the other.
TEST_F(CommitTest, OneFlushOfAFileAtATime) {
  Database db = Open(Durability::kAsync);
  Begin(db);
  FlushOverlaps overlaps;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 30; ++i) {
        const std::string key = absl::StrCat(thread, "-", i);
        if (thread == 0) {
          EXPECT_THAT(db.Checkpoint(), IsOk());
        } else if (thread == 1) {
          const absl::StatusOr<CommitToken> token =
              db.Put(db.default_keyspace(), key, std::string(20'000, 'v'));
          EXPECT_THAT(token, IsOk());
          EXPECT_THAT(db.WaitDurable(*token), IsOk());
        } else {
          // Values that are flushed before the record; and records that the log grows for.
          absl::StatusOr<WriteTransaction> txn = db.BeginWrite({.durability = Durability::kSync});
          ASSERT_THAT(txn, IsOk());
          EXPECT_THAT(txn->Put(db.default_keyspace(), key,
                               std::string(thread == 2 ? 100'000 : 60'000, 'v')),
                      IsOk());
          EXPECT_THAT(txn->Commit(), IsOk());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(overlaps.flushes(), 30);
  EXPECT_EQ(overlaps.overlaps(), 0);
}

// Holds the flush of the data file until something else has happened, or for a while.
class HeldDataFlush : public os::SystemCallObserver {
 public:
  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind != os::SystemCallKind::kSyncMapping || call.path.ends_with("-wal")) return 0;
    held_ = true;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    while (!released_ && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    if (!released_) waited_ = true;
    return 0;
  }

  std::atomic<bool> held_ = false;
  std::atomic<bool> released_ = false;
  std::atomic<bool> waited_ = false;

 private:
  os::ScopedSystemCallObserver observing_{this};
};

// A checkpoint's mark has its version, and is in the log before the version is on the disk.
TEST_F(CommitTest, WaitDurableWaitsForTheCheckpointThatIsBeingTaken) {
  Database db = Open(Durability::kSync);
  Begin(db);
  WriteTransaction txn = *db.BeginWrite({.durability = Durability::kCheckpoint});
  ASSERT_THAT(txn.Put(db.default_keyspace(), "unlogged", "1"), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken token, txn.Commit());
  HeldDataFlush held;
  std::thread checkpoint([&] { EXPECT_THAT(db.Checkpoint(), IsOk()); });
  while (!held.held_) std::this_thread::yield();
  EXPECT_THAT(db.WaitDurable(token), IsOk());
  EXPECT_TRUE(held.waited_) << "durable before anything was flushed";
  held.released_ = true;
  checkpoint.join();
}

// And no more than that, though commits come while a checkpoint runs.
TEST_F(CommitTest, OneCheckpointForTwoThirdsOfTheLog) {
  constexpr uint64_t kLogBytes = uint64_t{16} << 20;
  constexpr uint64_t kCheckpoints = 8;
  Database db = Open(Durability::kAsync);
  FlushCounter counter;
  counter.delay_ = std::chrono::milliseconds(3);
  constexpr uint64_t kRecordBytes = 152;  // a header of 40, an operation of 5, key and value
  for (uint64_t i = 0; i * kRecordBytes < kCheckpoints * kLogBytes / 3 * 2; ++i) {
    const std::string key = absl::StrCat("key", 1000 + i % 1000);
    ASSERT_THAT(db.Put(db.default_keyspace(), key, std::string(100, 'v')), IsOk());
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db.GetStats());
  EXPECT_GE(stats.checkpoints, kCheckpoints - 2);
  EXPECT_LE(stats.checkpoints, kCheckpoints);
}

}  // namespace
}  // namespace espalier
