// In which order checkpoints and creation write and flush, and how often: what the images of
// crashes (crash_images_test) do not show.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"

namespace espalier {
namespace {

using testing::MakeSample;
using testing::MemoryFile;
using testing::SmallMappingOptions;

constexpr uint64_t kSlotOffsets[2] = {16384, 32768};

// Flushes that cover more than a slot, and those of slots.
class FlushCounter : public os::SystemCallObserver {
 public:
  void AfterCall(const os::SystemCall& call, int) override {
    if (call.kind != os::SystemCallKind::kSyncMapping) return;
    const bool is_slot =
        (call.offset == kSlotOffsets[0] || call.offset == kSlotOffsets[1]) && call.length <= 4096;
    ++(is_slot ? slots : data);
  }

  int data = 0;
  int slots = 0;

 private:
  os::ScopedSystemCallObserver observing_{this};
};

// One msync for what lies together (at most 16: decision 21), and one for the slot.
TEST(CheckpointCrashTest, OneFlushOfTheDataForEachCheckpoint) {
  MemoryFile file;
  file.SetContent(MakeSample().image);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), SmallMappingOptions()));
  const FlushCounter flushes;
  // The first change of a handle flushes the slot and writes it anew.
  ASSERT_THAT(db.Put(db.default_keyspace(), "first", "x"), IsOk());
  EXPECT_EQ(flushes.data, 0);
  EXPECT_EQ(flushes.slots, 2);
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 100; ++j) {
      ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat("key", j), std::string(300, 'x')),
                  IsOk());
    }
    EXPECT_EQ(flushes.data, i);
    ASSERT_THAT(db.Checkpoint(), IsOk());
    EXPECT_EQ(flushes.data, i + 1);
    EXPECT_EQ(flushes.slots, i + 3);
    // Nothing new, nothing to flush.
    ASSERT_THAT(db.Checkpoint(), IsOk());
    EXPECT_EQ(flushes.data, i + 1);
  }
}

// The order of writes and flushes of the slots: 'A' a write of the first, 'a' its flush, and so on.
class SlotOrder : public os::SystemCallObserver {
 public:
  void AfterCall(const os::SystemCall& call, int) override {
    if (call.offset != kSlotOffsets[0] && call.offset != kSlotOffsets[1]) return;
    const bool first = call.offset == kSlotOffsets[0];
    if (call.kind == os::SystemCallKind::kWrite) steps += first ? 'A' : 'B';
    if (call.kind == os::SystemCallKind::kSyncMapping) steps += first ? 'a' : 'b';
  }

  std::string steps;

 private:
  os::ScopedSystemCallObserver observing_{this};
};

// The slot that a handle finds may be cached only: whoever wrote it was killed before the flush.
// Were the other one overwritten first, a power loss could leave neither.
TEST(CheckpointCrashTest, TheFoundSlotIsDurableBeforeTheOtherIsOverwritten) {
  MemoryFile file;
  file.SetContent(MakeSample().image);
  std::string found;
  for (const int checkpoints : {1, 2, 1}) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), SmallMappingOptions()));
    SlotOrder order;
    for (int i = 0; i < checkpoints; ++i) {
      ASSERT_THAT(db.Put(db.default_keyspace(), "key", std::string(order.steps)), IsOk());
      ASSERT_THAT(db.Checkpoint(), IsOk());
    }
    const std::string expected = order.steps[0] == 'A' ? "AaBbAaBb" : "BbAaBbAa";
    EXPECT_EQ(order.steps, expected.substr(0, order.steps.size()));
    // The one that was found, the one that is not clean, one for each checkpoint.
    EXPECT_EQ(order.steps.size(), 2u * static_cast<size_t>(2 + checkpoints));
    found += order.steps[0];
  }
  EXPECT_NE(found.find('A'), std::string::npos) << found;
  EXPECT_NE(found.find('B'), std::string::npos) << found;
}

// Holds a flush of the data up until it may go on.
class HeldFlush : public os::SystemCallObserver {
 public:
  explicit HeldFlush(std::string path) : path_(std::move(path)) {}

  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind == os::SystemCallKind::kSyncMapping && call.path == path_ && call.offset == 0 &&
        !begun_.exchange(true)) {
      go_on_.wait(false);
    }
    return 0;
  }
  void AwaitBegin() const {
    while (!begun_) std::this_thread::yield();
  }
  void GoOn() {
    go_on_ = true;
    go_on_.notify_all();
  }

 private:
  const std::string path_;
  std::atomic<bool> begun_{false};
  std::atomic<bool> go_on_{false};
  os::ScopedSystemCallObserver observing_{this};
};

// INV-5: while a checkpoint is not durable, its predecessor needs all of the log. Writers fill what
// there is of it and then wait, and a process that ends then has lost nothing.
class HeldCheckpointTest : public ::testing::Test {
 protected:
  static Options SmallLog() {
    Options options;
    options.log_size_bytes = uint64_t{1} << 20;
    options.durability = Durability::kAsync;
    return options;
  }

  void Put(Database& db) {
    const std::string key = absl::StrCat("key", acknowledged_ + 1);
    EXPECT_THAT(db.Put(db.default_keyspace(), key, std::string(3000, 'v')), IsOk());
    ++acknowledged_;
  }

  // Writes until the log is full, takes a copy of the files as a killed process would leave them,
  // and opens it.
  void FillTheLog(Database& db, HeldFlush& flush) {
    flush.AwaitBegin();
    std::thread writer([&] {
      for (int i = 0; i < 1000; ++i) Put(db);
    });
    while (db.GetStats()->log_waits == 0) std::this_thread::yield();
    const uint64_t expected = acknowledged_;
    for (const char* const suffix : {"", "-wal"}) {
      std::filesystem::copy_file(absl::StrCat(path_, suffix), absl::StrCat(copy_, suffix));
    }
    flush.GoOn();
    writer.join();
    auto copy = Database::Open(copy_, SmallLog());
    ASSERT_THAT(copy, IsOk());
    EXPECT_THAT(copy->Count(copy->default_keyspace()), IsOkAndHolds(::testing::Ge(expected)));
  }

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
  const std::string copy_ = dir_.File("copy.esp");
  std::atomic<uint64_t> acknowledged_{0};
};

TEST_F(HeldCheckpointTest, KeepsTheLog) {
  HeldFlush flush(path_);  // outlives the handle, whose checkpoints go through it
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_, SmallLog()));
  for (int i = 0; i < 100; ++i) Put(db);
  std::thread checkpoint([&] { EXPECT_THAT(db.Checkpoint(), IsOk()); });
  FillTheLog(db, flush);
  checkpoint.join();
}

TEST_F(HeldCheckpointTest, KeepsTheLogOfARecovery) {
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_, SmallLog()));
    for (int i = 0; i < 100; ++i) Put(db);
    // The handle goes without its closing checkpoint.
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }
  HeldFlush flush(path_);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_, SmallLog()));
  FillTheLog(db, flush);
}

// INV-14: a new database has its content, and that on the disk, before it has its name; and its
// name is on the disk before anybody is told that there is a database.
class CreationOrder : public os::SystemCallObserver {
 public:
  void AfterCall(const os::SystemCall& call, int result_errno) override {
    if (result_errno != 0) return;
    switch (call.kind) {
      case os::SystemCallKind::kWrite:
        steps += 'w';
        break;
      case os::SystemCallKind::kSyncAll:
        steps += 's';
        break;
      case os::SystemCallKind::kRename:
        steps += 'r';
        break;
      default:
        break;
    }
  }

  std::string steps;

 private:
  os::ScopedSystemCallObserver observing_{this};
};

TEST(CheckpointCrashTest, ANewDatabaseIsFlushedBeforeItHasItsName) {
  os::TempDir dir;
  std::optional<CreationOrder> order(std::in_place);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(dir.File("db.esp")));
  // Superblock and two slots, the file's flush, the name, the directory's flush.
  EXPECT_EQ(order->steps, "wwwsrs");
  order.reset();
}

}  // namespace
}  // namespace espalier
