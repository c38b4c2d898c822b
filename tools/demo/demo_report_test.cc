#include "tools/demo/demo_report.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

class DemoReportTest : public testing::Test {
 protected:
  DemoReportTest()
      : output_([this](std::string_view bytes) {
          text_ += bytes;
          return absl::OkStatus();
        }),
        report_(output_) {}

  std::string text_;
  Output output_;
  DemoReport report_;
};

TEST_F(DemoReportTest, FiguresAreAlignedAndSectionsNumbered) {
  report_.Title("Espalier");
  report_.Section("Load");
  report_.Figure("paths", "1,234");
  report_.Section("Read");
  report_.Rate("lookups", 2'000, Seconds(0.5));
  EXPECT_EQ(text_,
            "Espalier\n"
            "\n1. Load\n"
            "   paths                                       1,234\n"
            "\n2. Read\n"
            "   lookups                                     2,000   500 ms, 4.00 k/s\n");
}

TEST_F(DemoReportTest, TheVerdictCountsChecks) {
  report_.Check("first", true);
  report_.Check("second", true);
  EXPECT_TRUE(report_.Verdict());
  EXPECT_EQ(text_, "   ok      first\n   ok      second\n\nAll 2 checks passed.\n");
}

TEST_F(DemoReportTest, OneFailureFailsTheWhole) {
  report_.Check("first", true);
  report_.Check("second", false);
  EXPECT_FALSE(report_.Verdict());
  EXPECT_NE(text_.find("   FAILED  second\n\n1 of 2 checks FAILED.\n"), std::string::npos);
}

}  // namespace
}  // namespace espalier::tools
