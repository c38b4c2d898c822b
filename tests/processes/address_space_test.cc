// Little address space: a database that outgrows its mapping is mapped anew, while transactions on
// the old mapping go on.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/random_data.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

// By page size.
class AddressSpaceTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  static Options SmallMapping() {
    Options options;
    options.page_size_bytes = GetParam();
    // No round number of pages: not even the last of them may be forgotten.
    options.address_space_bytes = 3300000;
    return options;
  }
  uint64_t MappedBytes() {
    const absl::StatusOr<Stats> stats = db_->GetStats();
    EXPECT_THAT(stats, IsOk());
    return stats.ok() ? stats->mapped_bytes : 0;
  }
  static std::string KeyOf(int i) { return absl::StrCat("key", 100000 + i); }
  static std::string ValueOf(int i) {
    return std::string(static_cast<size_t>(i % 3000), static_cast<char>('a' + i % 26));
  }
  absl::Status PutSome(WriteTransaction& txn, int first, int count) {
    for (int i = first; i < first + count; ++i) {
      const absl::Status put = txn.Put(keyspace_, KeyOf(i), ValueOf(i));
      if (!put.ok()) return put;
    }
    return absl::OkStatus();
  }
  void ExpectEntries(const Transaction& txn, int count) {
    int i = 0;
    auto scan = txn.Scan(keyspace_);
    for (const Entry& entry : scan) {
      ASSERT_EQ(entry.key, KeyOf(i));
      ASSERT_EQ(entry.value, ValueOf(i));
      ++i;
    }
    ESPALIER_ASSERT_OK(scan.status());
    EXPECT_EQ(i, count);
  }

  TestDatabase db_{SmallMapping()};
  Keyspace keyspace_ = db_.keyspace();
};

TEST_P(AddressSpaceTest, OutgrownAcrossTransactions) {
  constexpr int kStep = 150;
  struct Reader {
    ReadTransaction txn;
    Cursor cursor;
    int entries;
  };
  std::vector<Reader> readers;
  const uint64_t mapped_at_first = MappedBytes();
  int entries = 0;
  for (int step = 0; step < 60; ++step) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
    ESPALIER_ASSERT_OK(PutSome(txn, entries, kStep));
    ESPALIER_ASSERT_OK(txn.Commit());
    entries += kStep;
    if (step % 5 == 0) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction reader, db_->BeginRead());
      ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor cursor, reader.OpenCursor(keyspace_));
      ASSERT_TRUE(cursor.First());
      readers.push_back({std::move(reader), std::move(cursor), entries});
    }
    if (step % 17 == 16) {
      ESPALIER_ASSERT_OK(db_->Checkpoint());
    }
    for (Reader& reader : readers) {
      if (reader.cursor.Valid()) {
        EXPECT_THAT(reader.cursor.value(), IsOk());
        reader.cursor.Next();
        ESPALIER_ASSERT_OK(reader.cursor.status());
      }
    }
  }
  EXPECT_GE(MappedBytes(), 4 * mapped_at_first);
  for (const Reader& reader : readers) {
    ASSERT_NO_FATAL_FAILURE(ExpectEntries(reader.txn, reader.entries));
  }
  // Without checkpoints no page was sealed: the new mapping has to know what the old one knew.
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction newest, db_->BeginRead());
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(newest, entries));
}

TEST_P(AddressSpaceTest, OutgrownWithinOneTransaction) {
  constexpr int kEntries = 10000;
  const uint64_t mapped_at_first = MappedBytes();
  ESPALIER_ASSERT_OK(db_->Put(keyspace_, KeyOf(0), ValueOf(0)));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction before, db_->BeginRead());
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn.OpenWriteCursor(keyspace_));
  ASSERT_TRUE(cursor.First());
  // Views into whatever mapping was the newest one; valid until their entries change.
  std::vector<std::pair<int, std::string_view>> large_values;
  for (int i = 1; i < kEntries; ++i) {
    ESPALIER_ASSERT_OK(txn.Put(keyspace_, KeyOf(i), ValueOf(i)));
    if (ValueOf(i).size() > 2100) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view view, txn.Get(keyspace_, KeyOf(i)));
      large_values.emplace_back(i, view);
    }
    ASSERT_TRUE(cursor.Next());
    ASSERT_EQ(cursor.key(), KeyOf(i));
  }
  for (const auto& [i, view] : large_values) ASSERT_EQ(view, ValueOf(i));
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(txn, kEntries));
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(before, 1));
  ESPALIER_ASSERT_OK(txn.Commit());
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(before, 1));
  EXPECT_GE(MappedBytes(), 4 * mapped_at_first);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction after, db_->BeginRead());
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(after, kEntries));
}

TEST_P(AddressSpaceTest, OutgrownAndRolledBack) {
  constexpr int kEntries = 500;
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
    ESPALIER_ASSERT_OK(PutSome(txn, 0, kEntries));
    ESPALIER_ASSERT_OK(txn.Commit());
  }
  for (int round = 0; round < 3; ++round) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
    ESPALIER_ASSERT_OK(PutSome(txn, kEntries, 4000 * (round + 1)));
    txn.Rollback();
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction reader, db_->BeginRead());
    ASSERT_NO_FATAL_FAILURE(ExpectEntries(reader, kEntries));
    db_.Verify();
  }
}

// The value is a view into the database itself, through a mapping that was neither the first nor is
// the last of the transaction: it was not recognised as such, and the page it lies in was
// overwritten before the value was read.
TEST_P(AddressSpaceTest, ViewIntoOutgrownMappingIsValue) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace other, db_->OpenOrCreateKeyspace("other"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  uint64_t run_bytes = uint64_t{4} << 20;
  const auto outgrow = [&] {
    run_bytes *= 2;
    return txn.Put(other, absl::StrCat("filling", run_bytes), std::string(run_bytes, 'f'));
  };
  ESPALIER_ASSERT_OK(outgrow());
  const std::string value = std::string(600, 'c') + std::string(600, 'd');
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "c", value));  // first, so at the end of the page
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "b", std::string(1200, 'b')));
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "a", std::string(1200, 'a')));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view view, txn.Get(keyspace_, "c"));
  ESPALIER_ASSERT_OK(outgrow());
  ESPALIER_ASSERT_OK(txn.Put(keyspace_, "bb", view));  // splits the leaf
  EXPECT_THAT(txn.Get(keyspace_, "bb"), IsOkAndHolds(value));
  EXPECT_THAT(txn.Get(keyspace_, "c"), IsOkAndHolds(value));
  ESPALIER_ASSERT_OK(txn.Commit());
}

// The same at random: values are parts of what other keys hold, seen through mappings of any age.
TEST_P(AddressSpaceTest, ViewsOfAnyAgeAreValues) {
  Random random(TestSeed());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace other, db_->OpenOrCreateKeyspace("other"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  const auto key = [](uint64_t i) { return absl::StrCat("key", i); };
  uint64_t run_bytes = uint64_t{1} << 20;
  for (int round = 0; round < 6; ++round) {
    // In one leaf, or two: every change concerns the page that the views lie in.
    std::vector<std::string> values(6);
    for (uint64_t i = 0; i < values.size(); ++i) {
      values[i].resize(Below(random, 900));
      for (char& byte : values[i]) byte = static_cast<char>(random());
      ESPALIER_ASSERT_OK(txn.Put(keyspace_, key(i), values[i]));
    }
    for (uint64_t i = 0; i < values.size(); ++i) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view view, txn.Get(keyspace_, key(i)));
      ESPALIER_ASSERT_OK(
          txn.Put(other, absl::StrCat("filling", round, "-", i), std::string(run_bytes, 'f')));
      const std::string_view part = view.substr(Below(random, view.size() + 1));
      const uint64_t to = Below(random, values.size());
      const std::string expected(part);
      ESPALIER_ASSERT_OK(txn.Put(keyspace_, key(to), part));
      values[to] = expected;
      for (uint64_t j = 0; j < values.size(); ++j) {
        ASSERT_THAT(txn.Get(keyspace_, key(j)), IsOkAndHolds(values[j])) << "round " << round;
      }
    }
    run_bytes += run_bytes / 2;
  }
  ESPALIER_ASSERT_OK(txn.Commit());
}

INSTANTIATE_TEST_SUITE_P(PageSizes, AddressSpaceTest, ::testing::Values(4096, 65536),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace espalier::testing
