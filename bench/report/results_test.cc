#include "bench/report/results.h"

#include "bench/report/format.h"
#include "bench/report/markdown.h"
#include "bench/report/output.h"
#include "gtest/gtest.h"

namespace espalier::bench {
namespace {

RowResult RateRow(double own, double rival, double bar) {
  return {
      .name = "get-1",
      .title = "random Get",
      .unit = "operations/s",
      .bar_kind = BarKind::kTimesBestRival,
      .bar = bar,
      .cells = {{"espalier", {{own}, ""}}, {"slow", {{rival / 2}, ""}}, {"fast", {{rival}, ""}}}};
}

TEST(RowResultTest, ARateIsHeldAgainstTheFastestRival) {
  RowResult row = RateRow(300, 200, 1.5);
  EXPECT_EQ(row.BestRival(), "fast");
  EXPECT_EQ(row.RatioToBestRival(), 1.5);
  EXPECT_EQ(row.Passes(), true);
  EXPECT_EQ(RateRow(299, 200, 1.5).Passes(), false);
}

TEST(RowResultTest, ASizeIsHeldAgainstItsBarAndTheSmallestRivalIsBest) {
  RowResult row = RateRow(1.1, 2, 1.15);
  row.unit = "x raw bytes";
  row.bar_kind = BarKind::kAtMost;
  EXPECT_EQ(row.BestRival(), "slow");
  EXPECT_EQ(row.Passes(), true);
  row.bar = 1.0;
  EXPECT_EQ(row.Passes(), false);
}

TEST(RowResultTest, NoOwnFigureIsNeitherPassNorFailure) {
  RowResult row = RateRow(1, 1, 1);
  row.cells.erase("espalier");
  EXPECT_EQ(row.Passes(), std::nullopt);
  EXPECT_EQ(row.RatioToBestRival(), std::nullopt);
}

TEST(ResultsTest, JsonGivesBackWhatWentIn) {
  Results results{.machine = {{"kernel", "Linux"}},
                  .run = {{"records", "5"}},
                  .engines = {{"espalier", "1", {{"page size", "4 KiB"}}},
                              {"fast", "2", {}},
                              {"slow", "3", {}}},
                  .rows = {RateRow(300, 200, 1.5)}};
  results.rows[0].cells["slow"].failure = "died of it";
  absl::StatusOr<Results> back = FromJson(ToJson(results));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToJson(*back), ToJson(results));
  EXPECT_EQ(MarkdownReport(*back), MarkdownReport(results));
}

TEST(ResultsTest, WhatIsNotAResultFileIsRefused) {
  EXPECT_FALSE(FromJson("{}").ok());
  EXPECT_FALSE(FromJson("nonsense").ok());
}

TEST(OutputTest, TheTableGoesBetweenTheMarks) {
  std::string text = "a\n" + std::string(kTableBegin) + "old\n" + std::string(kTableEnd) + "b\n";
  absl::StatusOr<std::string> replaced = ReplaceTable(text, "new\n");
  ASSERT_TRUE(replaced.ok());
  EXPECT_EQ(*replaced, "a\n" + std::string(kTableBegin) + "new\n" + std::string(kTableEnd) + "b\n");
  EXPECT_FALSE(ReplaceTable("no marks", "new").ok());
}

TEST(FormatTest, FiguresHaveThreeDigits) {
  EXPECT_EQ(FormatFigure(1.234), "1.23");
  EXPECT_EQ(FormatFigure(12.34), "12.3");
  EXPECT_EQ(FormatFigure(456'700), "457 k");
  EXPECT_EQ(FormatFigure(999'600), "1.00 M");
  EXPECT_EQ(FormatCount(5'000'000), "5,000,000");
  EXPECT_EQ(FormatCount(12), "12");
}

}  // namespace
}  // namespace espalier::bench
