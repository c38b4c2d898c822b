// A flush that fails (INV-9): from then on it is unknown what the disk holds. The handle keeps that
// first error and makes no further change, reading goes on, and reopening recovers.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/base/status_for_testing.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/failing_log_flush.h"
#include "tests/support/waiting_thread.h"

namespace espalier {
namespace {

using os::FailingCalls;
using os::SystemCall;
using os::SystemCallKind;

constexpr auto kDeviceError = absl::StatusCode::kInternal;

// The write of a checkpoint slot fails, and no other.
class FailingSlotWrite : public os::SystemCallObserver {
 public:
  int BeforeCall(const SystemCall& call) override {
    const bool is_slot =
        call.kind == SystemCallKind::kWrite && (call.offset == 16384 || call.offset == 32768);
    return is_slot ? EIO : 0;
  }

 private:
  os::ScopedSystemCallObserver observing_{this};
};

// What is written to the log once it has its name fails.
class FailingLogWrites : public os::SystemCallObserver {
 public:
  int BeforeCall(const SystemCall& call) override {
    const bool writes =
        call.kind == SystemCallKind::kWrite || call.kind == SystemCallKind::kSyncMapping;
    return writes && call.path.ends_with("-wal") ? EIO : 0;
  }

 private:
  os::ScopedSystemCallObserver observing_{this};
};

class FailedFlushTest : public ::testing::Test {
 protected:
  Database Open() { return Database::Open(path_).value(); }

  // "durable" is in a checkpoint, "visible" in the log.
  void Fill(Database& db) {
    ASSERT_THAT(db.Put(db.default_keyspace(), "durable", "1"), IsOk());
    ASSERT_THAT(db.Checkpoint(), IsOk());
    ASSERT_THAT(db.Put(db.default_keyspace(), "visible", "2"), IsOk());
  }

  // After `first` failed, with all calls in order again.
  static void ExpectPoisoned(Database& db, const absl::Status& first) {
    EXPECT_THAT(first, StatusIs(kDeviceError));
    EXPECT_THAT(db.BeginWrite(), StatusIs(kDeviceError));
    EXPECT_THAT(db.Put(db.default_keyspace(), "late", "3"), StatusIs(kDeviceError));
    EXPECT_THAT(db.Compact(), StatusIs(kDeviceError));
    const FailingCalls flushes(SystemCallKind::kSyncMapping);  // counted; none fails
    EXPECT_THAT(db.Checkpoint(), StatusIs(kDeviceError));
    EXPECT_EQ(flushes.calls(), 0) << "a flush was tried again";
  }

  static void ExpectReads(Database& db, std::string_view key, const std::string& value) {
    EXPECT_THAT(db.Get(db.default_keyspace(), key), IsOkAndHolds(value));
  }

  static void ExpectSound(Database& db) {
    const auto report = db.Verify();
    ASSERT_THAT(report, IsOk());
    EXPECT_THAT(report->problems, ::testing::IsEmpty());
  }

  // `checkpoint` makes the second checkpoint of a database fail, and returns its status.
  void FailACheckpoint(const std::function<absl::Status(Database&)>& checkpoint) {
    Database db = Open();
    Fill(db);
    ExpectPoisoned(db, checkpoint(db));
    ExpectReads(db, "durable", "1");
    ExpectReads(db, "visible", "2");
    EXPECT_THAT(db.Close(), StatusIs(kDeviceError));
  }

  void ExpectAllThatWasAcknowledged() {
    Database db = Open();
    ExpectReads(db, "durable", "1");
    ExpectReads(db, "visible", "2");
    ExpectSound(db);
  }

  os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
};

TEST_F(FailedFlushTest, OfTheData) {
  FailACheckpoint([](Database& db) {
    const FailingCalls calls(SystemCallKind::kSyncMapping, EIO, 0, 1);
    const absl::Status status = db.Checkpoint();
    EXPECT_EQ(calls.calls(), 1) << "the slot must not be flushed after that (INV-4)";
    return status;
  });
  ExpectAllThatWasAcknowledged();
}

// What was not written back yet has no flush either, but its checksums: Verify() found all of it
// damaged.
TEST_F(FailedFlushTest, InTheMiddleOfTheData) {
  Database db = Open();
  WriteTransaction txn = *db.BeginWrite({.durability = Durability::kAsync});
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_THAT(txn.Put(db.default_keyspace(), std::to_string(i), std::string(100, 'v')), IsOk());
  }
  ASSERT_THAT(txn.Commit(), IsOk());
  absl::Status status;
  {
    const FailingCalls calls(SystemCallKind::kWriteBack, EIO, 1, 1);
    status = db.Checkpoint();
    EXPECT_EQ(calls.calls(), 2);
  }
  ExpectPoisoned(db, status);
  ExpectReads(db, "77", std::string(100, 'v'));
  ExpectSound(db);
}

TEST_F(FailedFlushTest, WriteOfTheSlot) {
  FailACheckpoint([](Database& db) {
    const FailingSlotWrite failing;
    return db.Checkpoint();
  });
  ExpectAllThatWasAcknowledged();
}

// The slot is in the page cache, perhaps on the disk: both checkpoints are whole.
TEST_F(FailedFlushTest, OfTheSlot) {
  FailACheckpoint([](Database& db) {
    const FailingCalls calls(SystemCallKind::kSyncMapping, EIO, 1, 1);
    const absl::Status status = db.Checkpoint();
    EXPECT_EQ(calls.calls(), 2);
    return status;
  });
  Database db = Open();
  ExpectReads(db, "durable", "1");
  ExpectSound(db);
}

// The slot that was found is flushed before the first change.
TEST_F(FailedFlushTest, BeforeTheFirstChange) {
  {
    Database db = Open();
    Fill(db);
    ASSERT_THAT(db.Close(), IsOk());
  }
  {
    Database db = Open();
    absl::Status first;
    {
      const FailingCalls calls(SystemCallKind::kSyncMapping, EIO, 0, 1);
      first = db.BeginWrite().status();
      EXPECT_EQ(calls.calls(), 1);
    }
    ExpectPoisoned(db, first);
    ExpectReads(db, "visible", "2");
    EXPECT_THAT(db.Close(), StatusIs(kDeviceError));
  }
  Database db = Open();
  ExpectReads(db, "durable", "1");
  ExpectReads(db, "visible", "2");
  ExpectSound(db);
}

// The log grows by 1 MiB at a time, and what it grew by is flushed before records go there. Where
// that flush found the disk full, the commit took it for a full disk, which a checkpoint helps, and
// the handle went on. (Found by the test that fails each system call in turn.)
TEST_F(FailedFlushTest, OfTheLogThatGrows) {
  for (const int error : {EIO, ENOSPC}) {
    const os::TempDir dir;
    Database db = Database::Open(dir.File("db.esp")).value();
    const std::string value(50000, 'v');
    ASSERT_THAT(db.Put(db.default_keyspace(), "visible", "2"), IsOk());
    absl::Status first;
    {
      const FailingCalls calls(SystemCallKind::kSyncData, error, 0, 1);
      for (int i = 0; i < 40 && first.ok(); ++i) {
        first = db.Put(db.default_keyspace(), "key", value).status();
      }
      EXPECT_EQ(calls.calls(), 1);
    }
    EXPECT_THAT(db.BeginWrite(), StatusIs(first.code()));
    EXPECT_THAT(db.Checkpoint(), StatusIs(first.code()));
    ExpectReads(db, "visible", "2");
    EXPECT_THAT(db.Close(), StatusIs(first.code()));
    Database again = Database::Open(dir.File("db.esp")).value();
    ExpectReads(again, "visible", "2");
    ExpectSound(again);
  }
}

// A transaction that is too large for the log commits by checkpoint, and is visible only then.
TEST_F(FailedFlushTest, OfACommitByCheckpoint) {
  {
    Options options;
    options.log_size_bytes = uint64_t{1} << 20;
    Database db = Database::Open(path_, options).value();
    Fill(db);
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
    for (int i = 0; i < 5; ++i) {
      ASSERT_THAT(
          txn.Put(db.default_keyspace(), "large" + std::to_string(i), std::string(30000, 'l')),
          IsOk());
    }
    absl::Status committed;
    {
      const FailingCalls calls(SystemCallKind::kSyncMapping, EIO, 0, 1);
      committed = txn.Commit().status();
      EXPECT_EQ(calls.calls(), 1);
    }
    ExpectPoisoned(db, committed);
    ExpectReads(db, "visible", "2");
    EXPECT_THAT(db.Get(db.default_keyspace(), "large0"), StatusIs(absl::StatusCode::kNotFound));
  }
  ExpectAllThatWasAcknowledged();
}

// The exception to INV-9: no slot refers to the log yet, so nothing depends on what the disk holds
// of it, and the next commit makes another one.
TEST_F(FailedFlushTest, OfALogThatIsJustMade) {
  {
    Database db = Open();
    for (int failing : {0, 1}) {  // the file's flush, its directory's
      const FailingCalls calls(SystemCallKind::kSyncAll, EIO, failing, 1);
      EXPECT_THAT(db.Put(db.default_keyspace(), "lost", "0"), StatusIs(kDeviceError));
    }
    {
      const FailingLogWrites failing;  // the flush of its first record
      EXPECT_THAT(db.Put(db.default_keyspace(), "lost", "0"), StatusIs(kDeviceError));
    }
    Fill(db);
    ASSERT_THAT(db.Close(), IsOk());
  }
  ExpectAllThatWasAcknowledged();
}

// All whose batches were committed together are told.
TEST_F(FailedFlushTest, OfAGroup) {
  constexpr int kThreads = 8;
  Database db = Open();
  Fill(db);
  const testing::FailingLogFlush failing;
  std::vector<std::thread> threads;
  {
    const WriteTransaction in_their_way = db.BeginWrite().value();
    for (int i = 0; i < kThreads; ++i) {
      threads.push_back(testing::StartUntilItWaits([&db, i] {
        EXPECT_THAT(db.Put(db.default_keyspace(), "late" + std::to_string(i), "3"),
                    StatusIs(kDeviceError));
      }));
    }
  }
  for (std::thread& thread : threads) thread.join();
  ExpectReads(db, "visible", "2");
}

// At the end nobody comes back to it, but it must not be called well.
TEST_F(FailedFlushTest, AtClosing) {
  {
    Database db = Open();
    Fill(db);
    const FailingCalls calls(SystemCallKind::kSyncMapping, EIO, 0, 1);
    EXPECT_THAT(db.Close(), StatusIs(kDeviceError));
    EXPECT_EQ(calls.calls(), 1);
  }
  Database db = Open();
  ExpectReads(db, "durable", "1");
  ExpectSound(db);
}

}  // namespace
}  // namespace espalier
