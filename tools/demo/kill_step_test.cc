#include "tools/demo/kill_step.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace espalier::tools {
namespace {

class KillStepTest : public testing::Test {
 protected:
  KillStepTest()
      : output_([this](std::string_view bytes) {
          text_ += bytes;
          return absl::OkStatus();
        }),
        report_(output_) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
  }
  ~KillStepTest() override { std::filesystem::remove_all(directory_); }

  const std::string directory_ = testing::TempDir() + "/kill_step_test";
  std::string text_;
  Output output_;
  DemoReport report_;
};

TEST_F(KillStepTest, NothingAcknowledgedIsLost) {
  const absl::Status status =
      KillWriters({.database_path = directory_ + "/db.esp", .seed = 7, .kills = 3}, report_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(report_.Verdict()) << text_;
  EXPECT_NE(text_.find("is there"), std::string::npos) << text_;
}

// The canary: commits that no log has.
TEST_F(KillStepTest, FindsWhatIsLost) {
  const absl::Status status = KillWriters({.database_path = directory_ + "/db.esp",
                                           .seed = 7,
                                           .kills = 1,
                                           .durability = Durability::kCheckpoint},
                                          report_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(report_.Verdict()) << text_;
}

TEST_F(KillStepTest, SaysWhyAWriterEnded) {
  const absl::Status status =
      KillWriters({.database_path = directory_ + "/absent/db.esp", .kills = 1}, report_);
  EXPECT_NE(status.message().find("absent"), std::string::npos) << status;
}

}  // namespace
}  // namespace espalier::tools
