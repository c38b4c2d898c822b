// Loads that are large enough for new pages to be prepared ahead by another thread
// (docs/decisions/0025), amid all that hands out, cuts off or gives back pages: what was stored is
// not overwritten by what prepares, not even where a reader looks.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "engine/base/seed_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/random_data.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

constexpr uint64_t kRecordsPerLoad = 30000;
constexpr uint64_t kRecordsPerRun = 1000;
constexpr size_t kLargeBytes = 300000;
constexpr int kSteps = 40;

std::string KeyOf(uint64_t i) {
  char key[17];
  std::snprintf(key, sizeof key, "%016" PRIx64, i);
  return key;
}

std::string ValueOf(uint64_t i, size_t size) {
  return std::string(size, static_cast<char>('a' + i % 26));
}

// Large values take runs of pages.
size_t SizeOf(uint64_t i) { return i % kRecordsPerRun == 0 ? kLargeBytes : 100 + i % 50; }

// All records from 0 on, as many as there are.
uint64_t CountSound(const ReadTransaction& txn, const Keyspace& keyspace) {
  uint64_t i = 0;
  absl::StatusOr<Cursor> cursor = txn.OpenCursor(keyspace);
  EXPECT_THAT(cursor, IsOk());
  for (cursor->First(); cursor->Valid(); cursor->Next(), ++i) {
    const absl::StatusOr<std::string_view> value = cursor->value();
    EXPECT_THAT(value, IsOk());
    if (cursor->key() != KeyOf(i) || *value != ValueOf(i, SizeOf(i))) break;
  }
  EXPECT_FALSE(cursor->Valid()) << "record " << i;
  EXPECT_THAT(cursor->status(), IsOk());
  return i;
}

TEST(LoadTest, NothingIsPreparedThatIsInUse) {
  TestDatabase db;
  Random random(TestSeed());
  std::optional<Keyspace> keyspace;
  uint64_t records = 0;
  const auto begin_anew = [&] {
    records = 0;
    absl::StatusOr<WriteTransaction> txn = db->BeginWrite();
    ASSERT_THAT(txn, IsOk());
    if (keyspace.has_value()) {
      ESPALIER_ASSERT_OK(txn->DropKeyspace(*keyspace));
    }
    absl::StatusOr<Keyspace> made = txn->CreateKeyspace("loaded");
    ASSERT_THAT(made, IsOk());
    keyspace = *made;
    ESPALIER_ASSERT_OK(txn->Commit());
  };
  const auto load = [&](bool commit) {
    absl::StatusOr<WriteTransaction> txn = db->BeginWrite(
        {.durability = Below(random, 2) == 0 ? Durability::kAsync : Durability::kCheckpoint});
    ASSERT_THAT(txn, IsOk());
    const uint64_t end = records + kRecordsPerLoad;
    for (uint64_t i = records; i < end; ++i) {
      ESPALIER_ASSERT_OK(txn->Append(*keyspace, KeyOf(i), ValueOf(i, SizeOf(i))));
    }
    if (!commit) return;
    ESPALIER_ASSERT_OK(txn->Commit());
    records = end;
  };
  begin_anew();
  for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE(step);
    switch (Below(random, 12)) {
      case 0:
        begin_anew();
        break;
      case 1:
        ESPALIER_ASSERT_OK(db->Checkpoint());
        break;
      case 2:
        ESPALIER_ASSERT_OK(db->Compact());
        break;
      case 3:
        load(/*commit=*/false);
        break;
      case 4:
        ESPALIER_ASSERT_OK(db->Put(db.keyspace(), "large", std::string(kLargeBytes, 'l')));
        break;
      default: {
        ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction before, db->BeginRead());
        const uint64_t expected = records;
        std::thread reader([&] { EXPECT_EQ(CountSound(before, *keyspace), expected); });
        load(/*commit=*/true);
        reader.join();
      }
    }
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db->BeginRead());
  EXPECT_EQ(CountSound(txn, *keyspace), records);
}

}  // namespace
}  // namespace espalier::testing
