#include "tools/cli/progress_bar.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

using std::chrono::milliseconds;

// A terminal that records, on a clock that the test moves.
struct FakeTerminal {
  ProgressTerminal Get() {
    return {[this](std::string_view text) { written.emplace_back(text); },
            [this] { return columns; }, [this] { return time; }};
  }

  std::vector<std::string> written;
  int columns = 80;
  std::chrono::steady_clock::time_point time{};
};

TEST(ProgressBarTest, ShowsShareRateAndTimeLeft) {
  FakeTerminal terminal;
  ProgressBar bar("load", ProgressBar::Unit::kItems, terminal.Get());
  terminal.time += milliseconds(2'000);
  bar.Update(25, 100);
  ASSERT_EQ(terminal.written.size(), 1u);
  EXPECT_EQ(terminal.written[0],
            "\r\x1b[Kload  [##########..............................]   25 %  12.5/s  6 s left");
}

TEST(ProgressBarTest, QuickWorkShowsNothing) {
  FakeTerminal terminal;
  {
    ProgressBar bar("load", ProgressBar::Unit::kItems, terminal.Get());
    terminal.time += milliseconds(499);
    bar.Update(100, 100);
  }
  EXPECT_TRUE(terminal.written.empty());
}

TEST(ProgressBarTest, DrawsTenTimesASecondAtMostAndErasesItself) {
  FakeTerminal terminal;
  {
    ProgressBar bar("load", ProgressBar::Unit::kItems, terminal.Get());
    terminal.time += milliseconds(1'000);
    for (uint64_t i = 1; i <= 1'000; ++i) {
      terminal.time += milliseconds(1);
      bar.Update(i, 1'000);
    }
    EXPECT_EQ(terminal.written.size(), 10u);
  }
  EXPECT_EQ(terminal.written.size(), 11u);
  EXPECT_EQ(terminal.written.back(), "\r\x1b[K");
}

TEST(ProgressBarTest, AnUnknownTotalGivesCountAndRate) {
  FakeTerminal terminal;
  ProgressBar bar("load", ProgressBar::Unit::kBytes, terminal.Get());
  terminal.time += milliseconds(1'000);
  bar.Update(2048, 0);
  EXPECT_EQ(terminal.written.at(0), "\r\x1b[Kload  2.00 KiB  2.00 KiB/s");
}

TEST(ProgressBarTest, NeverWiderThanTheTerminal) {
  for (int columns = 0; columns < 120; ++columns) {
    for (const uint64_t total : {0, 1'000}) {
      FakeTerminal terminal;
      terminal.columns = columns;
      ProgressBar bar("check", ProgressBar::Unit::kItems, terminal.Get());
      terminal.time += milliseconds(1'000);
      bar.Update(999, total);
      EXPECT_LE(terminal.written.at(0).size() - 4, static_cast<size_t>(std::max(columns - 1, 0)));
    }
  }
}

TEST(ProgressBarTest, OddNumbersDoNoHarm) {
  FakeTerminal terminal;
  ProgressBar bar("check", ProgressBar::Unit::kItems, terminal.Get());
  for (const auto& [done, total] :
       {std::pair<uint64_t, uint64_t>{0, 0}, {0, 10}, {20, 10}, {~0ull, ~0ull}}) {
    terminal.time += milliseconds(1'000);
    bar.Update(done, total);
  }
  ASSERT_EQ(terminal.written.size(), 4u);
  EXPECT_NE(terminal.written[2].find("100 %"), std::string::npos);
}

TEST(ProgressBarTest, WithoutATerminalNothingHappens) {
  ProgressTerminal none;
  ProgressBar bar("check", ProgressBar::Unit::kItems, none);
  bar.Update(1, 2);
  bar.Erase();
}

}  // namespace
}  // namespace espalier::tools
