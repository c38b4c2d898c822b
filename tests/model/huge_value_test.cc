// Values of more than 4 GiB: written in place, found again, copied by Put, read in parts.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

constexpr uint64_t kBytes = (uint64_t{4} << 30) + 12345;
constexpr uint64_t kStep = 1000003;

// A word that depends on its place, in each stretch of about a megabyte.
void Fill(absl::Span<char> value) {
  for (uint64_t at = 0; at + 8 <= value.size(); at += kStep) std::memcpy(&value[at], &at, 8);
  value[value.size() - 1] = 'e';
}

void ExpectFilled(std::string_view value) {
  ASSERT_EQ(value.size(), kBytes);
  for (uint64_t at = 0; at + 8 <= value.size(); at += kStep) {
    uint64_t word = 0;
    std::memcpy(&word, value.data() + at, 8);
    ASSERT_EQ(word, at);
  }
  EXPECT_EQ(value.back(), 'e');
}

TEST(HugeValueTest, FourGibibytes) {
  TestDatabase db;
  const Keyspace keyspace = db.keyspace();
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db->BeginWrite());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const absl::Span<char> value,
                                  txn.Reserve(keyspace, "huge", kBytes));
    ASSERT_EQ(value.size(), kBytes);
    Fill(value);
    ESPALIER_ASSERT_OK(txn.Commit());
  }
  ESPALIER_ASSERT_OK(db->Put(keyspace, "small", "value"));
  db.Reopen();
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db->BeginRead());
    // A part from beyond 4 GiB, before anything else of it was read.
    ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view part,
                                  txn.GetPart(db.keyspace(), "huge", kBytes - 100, 1000));
    ASSERT_EQ(part.size(), 100u);
    EXPECT_EQ(part.back(), 'e');
    ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view value, txn.Get(db.keyspace(), "huge"));
    ASSERT_NO_FATAL_FAILURE(ExpectFilled(value));
    // Another one with the same bytes, out of the database itself.
    ESPALIER_ASSERT_OK(db->Put(db.keyspace(), "second", value));
  }
  EXPECT_THAT(db->Delete(db.keyspace(), "huge"), IsOkAndHolds(true));
  db.Reopen();
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db->BeginRead());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view value, txn.Get(db.keyspace(), "second"));
    ASSERT_NO_FATAL_FAILURE(ExpectFilled(value));
    EXPECT_THAT(txn.Count(db.keyspace()), IsOkAndHolds(2u));
  }
  EXPECT_THAT(db->Delete(db.keyspace(), "second"), IsOkAndHolds(true));
  ESPALIER_ASSERT_OK(db->Compact());
  EXPECT_LE(db.FileBytes(), uint64_t{1} << 20);
}

// LZ4 takes 2,113,929,216 bytes at the most; what is longer stays as it is, however well it would
// compress.
TEST(HugeValueTest, TheLongestForLz4AndOneByteMore) {
  constexpr uint64_t kLongest = 2113929216;
  TestDatabase db;
  KeyspaceOptions options;
  options.compress_values_from_bytes = 100;
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace keyspace,
                                db->OpenOrCreateKeyspace("compressed", options));
  std::string value(kLongest, 'x');
  ESPALIER_ASSERT_OK(db->Put(keyspace, "longest", value));
  EXPECT_LE(db.FileBytes(), kLongest / 100);
  value += 'y';
  ESPALIER_ASSERT_OK(db->Put(keyspace, "longer", value));
  EXPECT_GT(db.FileBytes(), kLongest);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db->BeginRead());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view longer, txn.Get(keyspace, "longer"));
  EXPECT_TRUE(longer == value);
  value.pop_back();
  ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view longest, txn.Get(keyspace, "longest"));
  EXPECT_TRUE(longest == value);
}

}  // namespace
}  // namespace espalier::testing
