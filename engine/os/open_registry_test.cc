#include "engine/os/open_registry.h"

#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <thread>
#include <utility>

#include "engine/base/status_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::os {
namespace {

using ::testing::HasSubstr;

constexpr FileIdentity kFile = {.device = 1, .inode = 2};
constexpr FileIdentity kOther = {.device = 1, .inode = 3};

TEST(OpenRegistryTest, RefusesTheSecondOpeningUntilTheFirstEnds) {
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(OpenFileRegistration first,
                                  OpenFileRegistration::Register(kFile, "/one"));
    EXPECT_THAT(OpenFileRegistration::Register(kFile, "/two"),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("/two")));
    EXPECT_THAT(OpenFileRegistration::Register(kOther, "/other"), IsOk());
    const OpenFileRegistration moved = std::move(first);
    EXPECT_THAT(OpenFileRegistration::Register(kFile, "/two"),
                StatusIs(absl::StatusCode::kAlreadyExists));
  }
  EXPECT_THAT(OpenFileRegistration::Register(kFile, "/one"), IsOk());
}

TEST(OpenRegistryTest, AssignmentEndsTheOldRegistration) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(OpenFileRegistration one,
                                OpenFileRegistration::Register(kFile, "/one"));
  ESPALIER_ASSERT_OK_AND_ASSIGN(OpenFileRegistration other,
                                OpenFileRegistration::Register(kOther, "/other"));
  one = std::move(other);
  EXPECT_THAT(OpenFileRegistration::Register(kFile, "/one"), IsOk());
  EXPECT_THAT(OpenFileRegistration::Register(kOther, "/other"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

// Also while another thread is busy with the registry, whose lock must be free in the child.
TEST(OpenRegistryTest, AForkChildStartsWithNothingOpen) {
  auto inherited = std::make_optional(OpenFileRegistration::Register(kFile, "/one").value());
  std::atomic<bool> stop{false};
  std::thread busy([&stop] {
    while (!stop) EXPECT_THAT(OpenFileRegistration::Register(kOther, "/other"), IsOk());
  });
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      const auto own = OpenFileRegistration::Register(kFile, "/one");
      inherited.reset();  // must not end the child's own registration
      _exit(own.ok() && !OpenFileRegistration::Register(kFile, "/one").ok() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  busy.join();
  EXPECT_THAT(OpenFileRegistration::Register(kFile, "/one"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

}  // namespace
}  // namespace espalier::os
