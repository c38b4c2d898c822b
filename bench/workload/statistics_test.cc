#include "bench/workload/statistics.h"

#include <vector>

#include "gtest/gtest.h"

namespace espalier::bench {
namespace {

TEST(SummarizeTest, TakesTheMiddleOfAnOddNumber) {
  Summary summary = Summarize(std::vector<double>{9, 1, 5});
  EXPECT_EQ(summary.median, 5);
  EXPECT_EQ(summary.minimum, 1);
  EXPECT_EQ(summary.maximum, 9);
}

TEST(SummarizeTest, AveragesTheMiddleTwoOfAnEvenNumber) {
  EXPECT_EQ(Summarize(std::vector<double>{4, 1, 2, 100}).median, 3);
}

TEST(SummarizeTest, OneSampleIsItsOwnMedian) {
  Summary summary = Summarize(std::vector<double>{7});
  EXPECT_EQ(summary.median, 7);
  EXPECT_EQ(summary.minimum, 7);
  EXPECT_EQ(summary.maximum, 7);
}

}  // namespace
}  // namespace espalier::bench
