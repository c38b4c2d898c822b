// What a handle finds when it opens may be only cached; after a flush that failed, not even that
// the kernel would still write it. Before anything is acknowledged that builds on it, or anything
// goes that the state before needs, it is on the device.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/held_checkpoint.h"

namespace espalier {
namespace {

using os::SystemCallKind;

// In their order: 's' for a flush of a checkpoint slot, 'l' where a log is renamed into its place,
// 'd' for a flush of the directory, 't' where the database file is cut or loses blocks.
class Order : public os::SystemCallObserver {
 public:
  explicit Order(std::string path) : path_(std::move(path)) {}

  void AfterCall(const os::SystemCall& call, int /*result_errno*/) override {
    const bool of_file = call.path == path_;
    if (of_file && call.kind == SystemCallKind::kSyncMapping &&
        (call.offset == 16384 || call.offset == 32768)) {
      steps_ += 's';
    }
    if (call.kind == SystemCallKind::kRename && call.second_path == path_ + "-wal") steps_ += 'l';
    if (call.kind == SystemCallKind::kSyncAll && path_.starts_with(call.path) && !of_file) {
      steps_ += 'd';
    }
    if (of_file &&
        (call.kind == SystemCallKind::kTruncate || call.kind == SystemCallKind::kPunchHole)) {
      steps_ += 't';
    }
  }

  const std::string& steps() const { return steps_; }

 private:
  const std::string path_;
  std::string steps_;
  os::ScopedSystemCallObserver observing_{this};
};

// Whether the log is read past the page cache, and the pages that it refers to.
class Reads : public os::SystemCallObserver {
 public:
  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind != SystemCallKind::kRead) return 0;
    const bool past_cache = (fcntl(call.fd, F_GETFL) & O_DIRECT) != 0;
    // The header only says whose log it is.
    if (call.path.ends_with("-wal") && call.offset > 0) ++(past_cache ? log : cached_log);
    if (!call.path.ends_with("-wal") && past_cache) ++data;
    return 0;
  }

  std::atomic<int> log = 0;
  std::atomic<int> cached_log = 0;
  std::atomic<int> data = 0;

 private:
  os::ScopedSystemCallObserver observing_{this};
};

class FoundStateTest : public ::testing::Test {
 protected:
  void Create() {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    ASSERT_THAT(db.Close(), IsOk());
  }

  os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
};

TEST_F(FoundStateTest, TheSlotIsFlushedBeforeAnotherLogIsMade) {
  Create();
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
  const Order order(path_);
  ASSERT_THAT(db.Put(db.default_keyspace(), "key", "other"), IsOk());
  const std::string& steps = order.steps();
  ASSERT_NE(steps.find('l'), std::string::npos) << steps;
  EXPECT_LT(steps.find('s'), steps.find('l')) << steps;
  EXPECT_LT(steps.find('d'), steps.find('s')) << steps;
}

TEST_F(FoundStateTest, ACheckpointOfNothingNewFlushesTheSlot) {
  Create();
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
  const Order order(path_);
  ASSERT_THAT(db.Checkpoint(), IsOk());
  const std::string& steps = order.steps();
  ASSERT_NE(steps.find('s'), std::string::npos) << steps;
  EXPECT_LT(steps.find('s'), steps.find('t')) << steps;
  const size_t before = steps.size();
  ASSERT_THAT(db.Checkpoint(), IsOk());
  EXPECT_EQ(steps.size(), before) << steps;
}

TEST_F(FoundStateTest, WhatWasRecoveredIsDurableAsItIs) {
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  testing::HeldCheckpoint checkpoint;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
  checkpoint.AwaitBegin();
  // Sees what the log had, and changes nothing.
  ASSERT_THAT(db.Write(WriteBatch(), {.durability = Durability::kSync}), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction read, db.BeginRead());
  EXPECT_THAT(db.WaitDurable({read.version()}), IsOk());
  EXPECT_FALSE(checkpoint.gave_up()) << "waited for the checkpoint";
  checkpoint.Release();
}

// The log cannot be opened, or read, for once.
class FailingLogCalls : public os::SystemCallObserver {
 public:
  FailingLogCalls(SystemCallKind kind, int error) : kind_(kind), error_(error) {}

  int BeforeCall(const os::SystemCall& call) override {
    return call.kind == kind_ && call.path.ends_with("-wal") ? error_ : 0;
  }

 private:
  const SystemCallKind kind_;
  const int error_;
  os::ScopedSystemCallObserver observing_{this};
};

// With the newest slot damaged, only the log knows that there was one.
TEST_F(FoundStateTest, NoStepBackBecauseTheLogCannotBeLookedAt) {
  Create();
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "newer"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  int damaged_newest = 0;
  for (const int slot_offset : {16384, 32768}) {
    const std::string copy = dir_.File("copy" + std::to_string(slot_offset));
    std::filesystem::copy(path_, copy);
    std::filesystem::copy(path_ + "-wal", copy + "-wal");
    {
      std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(slot_offset);
      file << "damage";
    }
    if (Database::Open(copy, {.read_only = true}).ok()) continue;  // the older one, then
    ++damaged_newest;
    const auto open = [&] { return Database::Open(copy).status(); };
    {
      const FailingLogCalls failing(SystemCallKind::kOpen, EMFILE);
      EXPECT_THAT(open(), StatusIs(absl::StatusCode::kResourceExhausted));
    }
    {
      const FailingLogCalls failing(SystemCallKind::kRead, EIO);
      EXPECT_THAT(open(), StatusIs(absl::StatusCode::kInternal));
    }
    EXPECT_THAT(open(), StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_EQ(damaged_newest, 1);
}

TEST_F(FoundStateTest, RecoveryAsksTheDevice) {
  const int probe = open(dir_.File("probe").c_str(), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
  if (probe == -1) GTEST_SKIP() << "nothing here can be read past the page cache";
  close(probe);
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
    ASSERT_THAT(db.Put(db.default_keyspace(), "large", std::string(200'000, 'l')), IsOk());
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  const Reads reads;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
  EXPECT_GT(reads.log, 0);
  EXPECT_EQ(reads.cached_log, 0);
  EXPECT_GT(reads.data, 0);
  EXPECT_EQ(db.GetStats()->recovered_transactions, 2u);
  EXPECT_THAT(db.Get(db.default_keyspace(), "large"), IsOkAndHolds(std::string(200'000, 'l')));
  EXPECT_THAT(db.Get(db.default_keyspace(), "key"), IsOkAndHolds(std::string("value")));
}

}  // namespace
}  // namespace espalier
