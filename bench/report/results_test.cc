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
      .bars = {{bar, std::string(kBestRival)}},
      .cells = {{"espalier", {{own}, ""}}, {"slow", {{rival / 2}, ""}}, {"fast", {{rival}, ""}}}};
}

TEST(RowResultTest, ARateIsHeldAgainstTheFastestRival) {
  RowResult row = RateRow(300, 200, 1.5);
  EXPECT_EQ(row.BestRival(), "fast");
  EXPECT_EQ(row.RatioTo(std::string(kBestRival)), 1.5);
  EXPECT_EQ(row.Passes(), true);
  EXPECT_EQ(RateRow(299, 200, 1.5).Passes(), false);
}

TEST(RowResultTest, ASizeIsHeldAgainstItsBarAndTheSmallestRivalIsBest) {
  RowResult row = RateRow(1.1, 2, 1.15);
  row.unit = "x raw bytes";
  row.bars = {{1.15, ""}};
  EXPECT_EQ(row.BestRival(), "slow");
  EXPECT_EQ(row.Passes(), true);
  row.bars[0].factor = 1.0;
  EXPECT_EQ(row.Passes(), false);
}

TEST(RowResultTest, NoOwnFigureIsNeitherPassNorFailure) {
  RowResult row = RateRow(1, 1, 1);
  row.cells.erase("espalier");
  EXPECT_EQ(row.Passes(), std::nullopt);
  EXPECT_EQ(row.RatioTo(std::string(kBestRival)), std::nullopt);
}

TEST(RowResultTest, TheDeviceIsAReferenceAndNoRival) {
  RowResult row = RateRow(300, 200, 1);
  row.cells[std::string(kDeviceName)] = {{400}, ""};
  EXPECT_EQ(row.BestRival(), "fast");
  row.bars.push_back({0.75, std::string(kDeviceName)});
  EXPECT_EQ(row.Passes(), true);
  row.bars[1].factor = 0.8;
  EXPECT_EQ(row.Passes(), false);
}

TEST(RowResultTest, AnEngineIsMeantInItsBestMode) {
  RowResult row = RateRow(300, 200, 1);
  row.cells["slow-but-tuned"] = {{150}, ""};
  EXPECT_EQ(row.RatioTo("slow"), 2);
  row.unit = "bytes/Put";
  row.cells["slow-but-tuned"] = {{50}, ""};
  EXPECT_EQ(row.RatioTo("slow"), 6);
}

TEST(RowResultTest, ABarWhoseReferenceIsMissingIsNeitherReachedNorMissed) {
  RowResult row = RateRow(300, 200, 1);
  row.bars.push_back({2, "absent"});
  EXPECT_EQ(row.Passes(), std::nullopt);
}

TEST(ResultsTest, JsonGivesBackWhatWentIn) {
  Results results{.machine = {{"kernel", "Linux"}},
                  .run = {{"records", "5"}},
                  .engines = {{"espalier", "1", false, {{"page size", "4 KiB"}}},
                              {"fast", "2", true, {}},
                              {"slow", "3", true, {}}},
                  .rows = {RateRow(300, 200, 1.5)}};
  results.rows[0].cells["slow"].failure = "died of it";
  results.rows.push_back(RateRow(1, 2, 3));
  results.rows[1].cells.clear();
  results.rows[1].not_run = "not here";
  absl::StatusOr<Results> back = FromJson(ToJson(results));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToJson(*back), ToJson(results));
  EXPECT_EQ(MarkdownReport(*back), MarkdownReport(results));
}

TEST(MarkdownTest, TheSummarySaysWhatIsBelowItsBarWhatWasNotRunAndWhatADyingProcessLoses) {
  Results results{
      .machine = {},
      .run = {{"records", "5"}},
      .engines = {{"espalier", "1", false, {}}, {"fast", "2", true, {}}, {"slow", "3", true, {}}},
      .rows = {RateRow(300, 200, 1.5), RateRow(299, 200, 1.5), RateRow(1, 1, 1)}};
  results.rows[2].cells.clear();
  results.rows[2].not_run = "too little memory";
  std::string summary = MarkdownSummary(results);
  for (std::string_view part :
       {"| espalier | fast | slow |", "| 300 | **200** | 100 | ≥ 1.5× | 1.50× | ✓ |",
        "✗ 99 % of the bar", "Not run: random Get (too little memory).",
        "espalier loses what came after the last checkpoint (no log), and ",
        "fast and slow keep every commit."}) {
    EXPECT_NE(summary.find(part), std::string::npos) << part << "\n" << summary;
  }
}

TEST(MarkdownTest, DurableRowsHaveATableOfTheirOwnWithTheDeviceInIt) {
  Results results{.machine = {},
                  .run = {},
                  .engines = {{"espalier", "1", true, {}},
                              {"fast", "2", true, {}},
                              {"slow", "3", true, {}},
                              {"device", "disk", true, {}}},
                  .rows = {RateRow(300, 200, 1.5), RateRow(300, 200, 1)}};
  RowResult& durable = results.rows[1];
  durable.is_durable = true;
  durable.cells["device"] = {{400}, ""};
  durable.bars.insert(durable.bars.begin(), {0.9, "device"});
  const std::string summary = MarkdownSummary(results);
  for (std::string_view part :
       {"| espalier | fast | slow | bar |", "| espalier | fast | slow | device | bar |",
        "| 300 | **200** | 100 | 400 | ≥ 0.9× device, ≥ 1.0× | 0.75×, 1.50× | ✗ 83 % of the bar "
        "|"}) {
    EXPECT_NE(summary.find(part), std::string::npos) << part << "\n" << summary;
  }
}

TEST(ResultsTest, WhatIsNotAResultFileIsRefused) {
  EXPECT_FALSE(FromJson("{}").ok());
  EXPECT_FALSE(FromJson("nonsense").ok());
}

TEST(OutputTest, TheSummaryGoesBetweenItsOwnMarks) {
  const std::string text =
      "a\n<!-- x:begin -->\nold\n<!-- x:end -->\n<!-- y:begin -->\n<!-- y:end -->\nb\n";
  EXPECT_EQ(ReplaceBetweenMarks(text, "x", "new\n").value_or(""),
            "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\n<!-- y:begin -->\n<!-- y:end -->\nb\n");
  EXPECT_EQ(ReplaceBetweenMarks(text, "y", "new\n").value_or(""),
            "a\n<!-- x:begin -->\nold\n<!-- x:end -->\n<!-- y:begin -->\nnew\n<!-- y:end -->\nb\n");
  EXPECT_FALSE(ReplaceBetweenMarks(text, "z", "new").ok());
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
