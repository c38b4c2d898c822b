// An idle reader pins what it can see and nothing else: a database that is
// changed by one-put commits beside one settles at a small multiple of its size. The benchmark does
// the same with 100,000 records.
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#include "engine/base/seed_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/random_data.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

constexpr uint64_t kRecords = 10000;

std::string KeyOf(uint64_t i) {
  char key[17];
  std::snprintf(key, sizeof key, "%016" PRIx64, i * 0x9e3779b97f4a7c15u);
  return key;
}

void PutOne(TestDatabase& db, Random& random) {
  ESPALIER_ASSERT_OK(db->Put(db.keyspace(), KeyOf(Below(random, kRecords)), std::string(100, 'v')));
}

// The file's size over the size after loading, after so many commits and after four times as many.
struct Growth {
  double early;
  double late;
};

Growth MeasureGrowth(TestDatabase& db, uint64_t commits, bool with_checkpoints) {
  Random random(TestSeed());
  {
    absl::StatusOr<WriteTransaction> txn = db->BeginWrite();
    EXPECT_THAT(txn, IsOk());
    for (uint64_t i = 0; i < kRecords; ++i) {
      ESPALIER_EXPECT_OK(txn->Put(db.keyspace(), KeyOf(i), std::string(100, 'v')));
    }
    ESPALIER_EXPECT_OK(txn->Commit());
  }
  ESPALIER_EXPECT_OK(db->Checkpoint());
  const double before = static_cast<double>(db.FileBytes());
  const absl::StatusOr<ReadTransaction> idle = db->BeginRead();
  ESPALIER_EXPECT_OK(idle);
  Growth growth{};
  for (uint64_t i = 0; i < 4 * commits; ++i) {
    PutOne(db, random);
    if (with_checkpoints && i % 1000 == 999) {
      ESPALIER_EXPECT_OK(db->Checkpoint());
    }
    if (i + 1 == commits) growth.early = static_cast<double>(db.FileBytes()) / before;
  }
  growth.late = static_cast<double>(db.FileBytes()) / before;
  std::printf("%.2fx after %" PRIu64 " commits, %.2fx after %" PRIu64 "\n", growth.early, commits,
              growth.late, 4 * commits);
  EXPECT_THAT(idle->Count(db.keyspace()), IsOkAndHolds(kRecords));
  return growth;
}

TEST(IdleReaderTest, FileSettles) {
  TestDatabase db(Options{}, TestDatabase::Where::kMemory);
  const Growth growth = MeasureGrowth(db, 5000, /*with_checkpoints=*/false);
  EXPECT_LE(growth.early, 3.2);
  EXPECT_LE(growth.late, growth.early * 1.02);
}

TEST(IdleReaderTest, FileSettlesWithCheckpoints) {
  TestDatabase db(Options{}, TestDatabase::Where::kMemory);
  const Growth growth = MeasureGrowth(db, 5000, /*with_checkpoints=*/true);
  // The reader's version, the last checkpoint's and the newest are three of a kind.
  EXPECT_LE(growth.early, 4.2);
  EXPECT_LE(growth.late, growth.early * 1.1);
}

TEST(IdleReaderTest, SpaceIsFreeWhenTheReaderEnds) {
  TestDatabase db(Options{}, TestDatabase::Where::kMemory);
  MeasureGrowth(db, 2000, /*with_checkpoints=*/false);
  ESPALIER_ASSERT_OK(db->Put(db.keyspace(), KeyOf(0), "v"));
  ESPALIER_ASSERT_OK(db->Checkpoint());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db->GetStats());
  EXPECT_EQ(stats.waiting_pages, 0u);
}

TEST(IdleReaderTest, AgesTellWhoBeganFirst) {
  TestDatabase db(Options{}, TestDatabase::Where::kMemory);
  constexpr std::chrono::milliseconds kPause(50);
  constexpr std::chrono::milliseconds kTick(11);  // of the coarse clock, in whole milliseconds
  const auto begin = std::chrono::steady_clock::now();
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction first, db->BeginRead());
  std::this_thread::sleep_for(kPause);
  ESPALIER_ASSERT_OK(db->Put(db.keyspace(), "key", "value"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction second, db->BeginRead());
  std::this_thread::sleep_for(kPause);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Stats stats, db->GetStats());
  const auto passed = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(stats.readers.size(), 2u);
  std::sort(stats.readers.begin(), stats.readers.end(),
            [](const auto& a, const auto& b) { return a.version < b.version; });
  EXPECT_EQ(stats.readers[0].version, first.version());
  EXPECT_EQ(stats.readers[1].version, second.version());
  EXPECT_GE(stats.readers[1].age, kPause - kTick);
  EXPECT_GE(stats.readers[0].age, stats.readers[1].age + kPause - kTick);
  EXPECT_LE(stats.readers[0].age, passed + kTick);
}

// Many readers, each at a version of its own: together they pin no more than they see.
TEST(IdleReaderTest, ManyIdleReadersPinWhatTheySee) {
  TestDatabase db(Options{}, TestDatabase::Where::kMemory);
  Random random(TestSeed());
  std::vector<ReadTransaction> readers;
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 100; ++j) ASSERT_NO_FATAL_FAILURE(PutOne(db, random));
    ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db->BeginRead());
    readers.push_back(std::move(txn));
  }
  for (int j = 0; j < 5000; ++j) ASSERT_NO_FATAL_FAILURE(PutOne(db, random));
  ESPALIER_ASSERT_OK_AND_ASSIGN(Stats stats, db->GetStats());
  uint64_t pinned = 0;
  for (const ReaderStats& reader : stats.readers) pinned += reader.pinned_bytes;
  EXPECT_EQ(pinned + stats.waiting_for_checkpoint_pages * stats.page_size_bytes,
            stats.waiting_pages * stats.page_size_bytes);
  // From the oldest to the youngest: what only that reader saw is free at once.
  for (ReadTransaction& reader : readers) {
    const uint64_t waiting = stats.waiting_pages;
    reader.End();
    ESPALIER_ASSERT_OK_AND_ASSIGN(stats, db->GetStats());
    EXPECT_LT(stats.waiting_pages, waiting);
  }
}

}  // namespace
}  // namespace espalier::testing
