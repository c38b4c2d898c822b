#include "bench/workload/zipfian.h"

#include <cmath>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kDraws = 1'000'000;

TEST(ZipfianTest, RanksHaveTheFrequenciesOfTheDistribution) {
  constexpr uint64_t kItems = 1'000;
  double zeta = Zipfian::Zeta(kItems);
  Zipfian zipfian(kItems, zeta);
  Random random(1);
  std::vector<uint64_t> counts(kItems);
  for (uint64_t i = 0; i < kDraws; ++i) ++counts.at(zipfian.Draw(random));
  // Gray's method is exact for the first two ranks and close for the others.
  for (uint64_t rank : {0, 1}) {
    double expected = kDraws / std::pow(static_cast<double>(rank + 1), Zipfian::kTheta) / zeta;
    EXPECT_NEAR(static_cast<double>(counts[rank]), expected, expected * 0.02) << rank;
  }
  for (uint64_t rank : {10, 100, 500}) {
    double expected = kDraws / std::pow(static_cast<double>(rank + 1), Zipfian::kTheta) / zeta;
    EXPECT_NEAR(static_cast<double>(counts[rank]), expected, expected * 0.2) << rank;
  }
}

// YCSB's constant for 10^10 items, checked by the integral that the sum approaches.
TEST(ZipfianTest, ZetaGrowsTowardsTheConstantOfYcsb) {
  constexpr uint64_t kItems = 1'000'000;
  double rest = (std::pow(1e10, 1 - Zipfian::kTheta) - std::pow(kItems, 1 - Zipfian::kTheta)) /
                (1 - Zipfian::kTheta);
  EXPECT_NEAR(Zipfian::Zeta(kItems) + rest, 26.46902820178302, 1e-5);
}

TEST(ScrambledZipfianTest, StaysInRangeIsSkewedAndSpreadsThePopularRecords) {
  constexpr uint64_t kRecords = 100'000;
  Random random(2);
  std::vector<uint32_t> draws = ScrambledZipfian(kRecords).DrawMany(kDraws, random);
  std::vector<uint64_t> counts(kRecords);
  for (uint32_t draw : draws) ++counts.at(draw);
  std::vector<uint32_t> popular;
  for (uint32_t i = 0; i < kRecords; ++i) {
    if (counts[i] > kDraws / 1'000) popular.push_back(i);
  }
  EXPECT_GT(popular.size(), 10u);
  EXPECT_LT(popular.front(), kRecords / 5);
  EXPECT_GT(popular.back(), kRecords * 4 / 5);
}

}  // namespace
}  // namespace espalier::bench
