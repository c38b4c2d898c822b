#include "tools/demo/comparison.h"

#include <gtest/gtest.h>

#include "espalier/database.h"

namespace espalier::tools {
namespace {

// The demo's checks are worth something only if they notice every kind of difference.
TEST(ComparisonTest, EveryKindOfDifferenceCounts) {
  Database db = *Database::OpenInMemory();
  const Keyspace keyspace = db.default_keyspace();
  for (const char* key : {"b", "c", "d"}) ASSERT_TRUE(db.Put(keyspace, key, "1").ok());
  const ReadTransaction txn = *db.BeginRead();
  const auto differences = [&](const Inventory& expected) {
    return *CountDifferences(txn, keyspace, expected);
  };
  EXPECT_EQ(differences({{"b", "1"}, {"c", "1"}, {"d", "1"}}), 0u);
  EXPECT_EQ(differences({{"b", "1"}, {"c", "2"}, {"d", "1"}}), 1u);
  EXPECT_EQ(differences({{"b", "1"}, {"d", "1"}}), 1u);
  EXPECT_EQ(differences({{"c", "1"}}), 2u);
  EXPECT_EQ(differences({}), 3u);
  EXPECT_EQ(differences({{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}, {"e", "1"}}), 2u);
  EXPECT_EQ(differences({{"b", "1"}, {"bb", "1"}, {"c", "1"}, {"d", "1"}}), 1u);
}

TEST(ComparisonTest, PrefixesAreHalfOpenRanges) {
  const Inventory inventory = {{"/a", ""},  {"/a/", ""},  {"/a/x", ""},
                               {"/a0", ""}, {"\xff", ""}, {"\xff\xff", ""}};
  const auto count = [&](std::string_view prefix) {
    const InventoryRange range = WithPrefix(inventory, prefix);
    return std::distance(range.begin, range.end);
  };
  EXPECT_EQ(count(""), 6);
  EXPECT_EQ(count("/a"), 4);
  EXPECT_EQ(count("/a/"), 2);
  EXPECT_EQ(count("\xff"), 2);
  EXPECT_EQ(count("/b"), 0);
}

}  // namespace
}  // namespace espalier::tools
