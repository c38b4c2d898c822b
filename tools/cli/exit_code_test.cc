#include "tools/cli/exit_code.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

TEST(ExitCodeTest, EveryStatusHasItsCode) {
  EXPECT_EQ(ExitCodeFor(absl::OkStatus()), ExitCode::kFine);
  EXPECT_EQ(ExitCodeFor(absl::CancelledError("")), ExitCode::kFine);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), ExitCode::kNotFound);
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeFor(absl::DataLossError("")), ExitCode::kCorrupt);
  EXPECT_EQ(ExitCodeFor(absl::UnavailableError("")), ExitCode::kEnvironment);
  EXPECT_EQ(ExitCodeFor(absl::PermissionDeniedError("")), ExitCode::kEnvironment);
  EXPECT_EQ(ExitCodeFor(absl::ResourceExhaustedError("")), ExitCode::kEnvironment);
  EXPECT_EQ(ExitCodeFor(absl::InternalError("")), ExitCode::kEnvironment);
}

TEST(ExitCodeTest, FailureToOpenIsTheEnvironmentsUnlessTheFileIsDamaged) {
  const absl::Status missing = AsEnvironmentError(absl::NotFoundError("a.esp: no such file"));
  EXPECT_EQ(ExitCodeFor(missing), ExitCode::kEnvironment);
  EXPECT_EQ(missing.message(), "a.esp: no such file");
  EXPECT_EQ(ExitCodeFor(AsEnvironmentError(absl::InvalidArgumentError("a directory"))),
            ExitCode::kEnvironment);
  EXPECT_EQ(ExitCodeFor(AsEnvironmentError(absl::DataLossError("torn"))), ExitCode::kCorrupt);
  EXPECT_TRUE(AsEnvironmentError(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace espalier::tools
