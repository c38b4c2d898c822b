// One log takes the place of another while some still wait for the flush of the former.
#include <atomic>
#include <cerrno>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/waiting_thread.h"

namespace espalier {
namespace {

using os::SystemCall;
using os::SystemCallKind;
using testing::StartUntilItWaits;

// Holds whoever comes, from Close() to Open().
class Barrier {
 public:
  void Close() { closed_ = true; }
  void Open() { opened_.set_value(); }
  void Pass() {
    if (closed_) wait_.wait();
  }

 private:
  std::atomic<bool> closed_ = false;
  std::promise<void> opened_;
  const std::shared_future<void> wait_ = opened_.get_future().share();
};

class Choreography : public os::SystemCallObserver {
 public:
  explicit Choreography(std::string path) : path_(std::move(path)) {}

  int BeforeCall(const SystemCall& call) override {
    const bool of_log = call.path == path_ + "-wal";
    if (of_log && call.kind == SystemCallKind::kSyncMapping) {
      if (!first_flush_came_.exchange(true)) first_flush_of_log.Pass();
    } else if (of_log && call.kind == SystemCallKind::kWrite && !call.durable) {
      if (log_is_full) return ENOSPC;
      write_to_log.Pass();
    } else if (call.path == path_ && call.kind == SystemCallKind::kSyncMapping && data_fails) {
      return EIO;
    }
    return 0;
  }

  Barrier first_flush_of_log;
  Barrier write_to_log;
  std::atomic<bool> log_is_full = false;
  std::atomic<bool> data_fails = false;

 private:
  const std::string path_;
  std::atomic<bool> first_flush_came_ = false;
  os::ScopedSystemCallObserver observing_{this};
};

class TwoLogsTest : public ::testing::Test {
 protected:
  absl::StatusOr<CommitToken> Commit(Durability durability, size_t inline_bytes,
                                     size_t referred_bytes = 0) {
    WriteTransaction txn = db_.BeginWrite({.durability = durability}).value();
    const Keyspace keyspace = db_.default_keyspace();
    EXPECT_THAT(txn.Put(keyspace, "inline", std::string(inline_bytes, 'i')), IsOk());
    if (referred_bytes > 0) {
      EXPECT_THAT(txn.Put(keyspace, "referred", std::string(referred_bytes, 'r')), IsOk());
    }
    return txn.Commit();
  }
  Stats GetStats() const { return db_.GetStats().value(); }

  // So many bytes come to the log by a call.
  static constexpr size_t kWrittenAtOnce = 40'000;

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
  Database db_ = Database::Open(path_).value();
};

// Who waits for the first log flushes the large value that a record of the second one refers to,
// and in vain: the commit of that record must hear of it.
TEST_F(TwoLogsTest, AFlushForOneThatFailsForTheOther) {
  ASSERT_THAT(Commit(Durability::kSync, 10), IsOk());
  Choreography calls(path_);
  calls.first_flush_of_log.Close();
  ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken first, Commit(Durability::kAsync, 10));
  std::thread flushes = StartUntilItWaits([&] { EXPECT_THAT(db_.WaitDurable(first), IsOk()); });
  ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken second, Commit(Durability::kAsync, 10));
  std::thread follows =
      StartUntilItWaits([&] { EXPECT_FALSE(db_.WaitDurable(second).ok()) << "no run to flush"; });

  // Where the first one cannot grow, it is given up.
  calls.log_is_full = true;
  while (GetStats().log_limit_bytes > 0) ASSERT_THAT(Commit(Durability::kAsync, 20000), IsOk());
  calls.log_is_full = false;

  // The second one is made. The next commit has said what it refers to when it waits there.
  ASSERT_THAT(Commit(Durability::kAsync, 10), IsOk());
  calls.write_to_log.Close();
  absl::Status committed;
  std::thread commits = StartUntilItWaits(
      [&] { committed = Commit(Durability::kSync, kWrittenAtOnce, 100'000).status(); });

  calls.data_fails = true;
  calls.first_flush_of_log.Open();
  flushes.join();
  follows.join();
  calls.data_fails = false;
  calls.write_to_log.Open();
  commits.join();
  EXPECT_FALSE(committed.ok());
  EXPECT_FALSE(db_.BeginWrite().ok());
}

}  // namespace
}  // namespace espalier
