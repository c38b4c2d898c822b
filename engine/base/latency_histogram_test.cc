#include "engine/base/latency_histogram.h"

#include <algorithm>
#include <random>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using std::chrono::microseconds;

TEST(LatencyHistogramTest, Empty) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.Quantile(0.5), microseconds(0));
  EXPECT_EQ(histogram.max(), microseconds(0));
}

// Never too low, and at most an eighth too high, over all magnitudes.
TEST(LatencyHistogramTest, QuantilesOfRandomLatencies) {
  std::mt19937_64 random(TestSeed(1));
  for (int round = 0; round < 50; ++round) {
    LatencyHistogram histogram;
    std::vector<int64_t> all;
    for (int i = 0; i < 1000; ++i) {
      all.push_back(static_cast<int64_t>(random() >> (32 + random() % 32)));
      histogram.Add(microseconds(all.back()));
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(histogram.max().count(), all.back());
    for (const double share : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const int64_t exact = all[static_cast<size_t>(share * 1000 + 0.5) - 1];
      const int64_t found = histogram.Quantile(share).count();
      EXPECT_GE(found, exact);
      EXPECT_LE(found, exact + exact / 8);
    }
  }
}

TEST(LatencyHistogramTest, BeyondTheLastBucket) {
  LatencyHistogram histogram;
  histogram.Add(std::chrono::hours(1000));
  EXPECT_EQ(histogram.Quantile(1).count(), (uint64_t{1} << 32) - 1);
  histogram.Add(microseconds(-1));
  EXPECT_EQ(histogram.Quantile(0.1), microseconds(0));
}

}  // namespace
}  // namespace espalier
