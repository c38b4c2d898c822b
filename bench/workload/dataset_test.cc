#include "bench/workload/dataset.h"

#include <algorithm>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kRecords = 10'000;

std::string KeyString(uint64_t index) {
  return std::string(std::string_view(Dataset::KeyOf(index)));
}

TEST(DatasetTest, KeysAreDistinctAndStable) {
  std::set<std::string> keys;
  for (uint64_t i = 0; i < kRecords; ++i) keys.insert(KeyString(i));
  EXPECT_EQ(keys.size(), kRecords);
  EXPECT_EQ(keys.begin()->size(), kKeySizeBytes);
  EXPECT_EQ(KeyString(5), KeyString(5));
}

TEST(DatasetTest, SortedOrderIsTheOrderOfTheKeysAndHoldsEveryRecord) {
  Dataset dataset(kRecords, 100);
  std::vector<uint32_t> order = dataset.SortedOrder();
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end(),
                             [](uint32_t a, uint32_t b) { return KeyString(a) < KeyString(b); }));
  EXPECT_EQ(std::set<uint32_t>(order.begin(), order.end()).size(), kRecords);
}

TEST(DatasetTest, ValuesHaveTheirSizeAndDifferByRecordAndGeneration) {
  Dataset dataset(kRecords, 100);
  EXPECT_EQ(dataset.ValueOf(0).size(), 100u);
  EXPECT_EQ(dataset.ValueOf(7), dataset.ValueOf(7));
  EXPECT_NE(dataset.ValueOf(7), dataset.ValueOf(8));
  EXPECT_NE(dataset.ValueOf(7, 0), dataset.ValueOf(7, 1));
}

TEST(TouchTest, SumsTheFirstEightBytes) {
  Touch touch;
  touch(std::string_view("\1\0\0\0\0\0\0\0rest", 12));
  touch(std::string_view("\2\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(touch.sum(), 3u);
  EXPECT_EQ(touch.count(), 2u);
}

}  // namespace
}  // namespace espalier::bench
