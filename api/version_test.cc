#include "espalier/version.h"

#include <string>

#include "gtest/gtest.h"

namespace espalier {
namespace {

TEST(VersionTest, StringIsThatOfTheHeaders) {
  const std::string expected = std::to_string(ESPALIER_VERSION_MAJOR) + "." +
                               std::to_string(ESPALIER_VERSION_MINOR) + "." +
                               std::to_string(ESPALIER_VERSION_PATCH);
  EXPECT_EQ(expected, VersionString());
}

}  // namespace
}  // namespace espalier
