#include "engine/base/concat.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace espalier {
namespace {

TEST(ConcatTest, TakesAllKindsOfStringsAndNumbers) {
  const std::string_view view = "view";
  const std::string string = "string";
  EXPECT_EQ(Concat("literal ", view, " ", string, " ", uint64_t{1} << 63, " ", -1),
            "literal view string 9223372036854775808 -1");
}

TEST(ConcatTest, KeepsZeroBytes) {
  EXPECT_EQ(Concat(std::string_view("a\0b", 3), "c"), std::string("a\0bc", 4));
}

}  // namespace
}  // namespace espalier
