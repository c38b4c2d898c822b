#include "tools/cli/figures.h"

#include <gtest/gtest.h>

#include <limits>

namespace espalier::tools {
namespace {

TEST(FiguresTest, CountsHaveThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1'000), "1,000");
  EXPECT_EQ(FormatCount(123'456), "123,456");
  EXPECT_EQ(FormatCount(std::numeric_limits<uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(FiguresTest, BytesHaveThreeDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1'023), "1023 B");
  EXPECT_EQ(FormatBytes(1'024), "1.00 KiB");
  EXPECT_EQ(FormatBytes(123'456), "121 KiB");
  EXPECT_EQ(FormatBytes(uint64_t{1'000} << 10), "0.98 MiB");
  EXPECT_EQ(FormatBytes(std::numeric_limits<uint64_t>::max()), "16.0 EiB");
}

TEST(FiguresTest, RatesHaveThreeDigits) {
  EXPECT_EQ(FormatRate(0), "0.00/s");
  EXPECT_EQ(FormatRate(12.34), "12.3/s");
  EXPECT_EQ(FormatRate(999.6), "1.00 k/s");
  EXPECT_EQ(FormatRate(1'234'567), "1.23 M/s");
  EXPECT_EQ(FormatRate(std::numeric_limits<double>::infinity()), "-");
}

TEST(FiguresTest, DurationsFindTheirUnit) {
  EXPECT_EQ(FormatDuration(Seconds(0)), "0 us");
  EXPECT_EQ(FormatDuration(Seconds(0.0123)), "12.3 ms");
  EXPECT_EQ(FormatDuration(Seconds(4.2)), "4.20 s");
  EXPECT_EQ(FormatDuration(Seconds(187.2)), "3:07 min");
  EXPECT_EQ(FormatDuration(Seconds(3'753)), "1:02:33 h");
}

TEST(FiguresTest, OneIsSingular) {
  EXPECT_EQ(FormatPlural(1, "page"), "1 page");
  EXPECT_EQ(FormatPlural(0, "page"), "0 pages");
  EXPECT_EQ(FormatPlural(1'000, "page"), "1,000 pages");
}

}  // namespace
}  // namespace espalier::tools
