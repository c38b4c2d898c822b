// Databases of more than a hundred megabytes, by way of a few large values.
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

// The space map of a file beyond 127 MiB has two levels, and keeps them when the file shrinks. It
// was then taken for damaged at the next opening.
TEST(LargeValuesTest, FileThatShrankOpensAgain) {
  constexpr int kValues = 20;
  constexpr uint64_t kValueBytes = uint64_t{7} << 20;
  TestDatabase db;
  ESPALIER_ASSERT_OK(db->Put(db.keyspace(), "small", "value"));
  for (int i = 0; i < kValues; ++i) {
    ESPALIER_ASSERT_OK(
        db->Put(db.keyspace(), absl::StrCat("large", i), std::string(kValueBytes, 'v')));
  }
  ESPALIER_ASSERT_OK(db->Checkpoint());
  EXPECT_GE(db.FileBytes(), kValues * kValueBytes);
  db.Reopen();
  for (int i = 0; i < kValues; ++i) {
    EXPECT_THAT(db->Delete(db.keyspace(), absl::StrCat("large", i)), IsOkAndHolds(true));
  }
  ESPALIER_ASSERT_OK(db->Compact());
  EXPECT_LE(db.FileBytes(), uint64_t{1} << 20);
  db.Reopen();
  EXPECT_THAT(db->Get(db.keyspace(), "small"), IsOkAndHolds(std::string("value")));
  ESPALIER_ASSERT_OK(db->Put(db.keyspace(), "large", std::string(kValueBytes, 'w')));
  db.Reopen();
  EXPECT_THAT(db->Get(db.keyspace(), "large"), IsOkAndHolds(std::string(kValueBytes, 'w')));
}

}  // namespace
}  // namespace espalier::testing
