#include "tools/text/hex.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

TEST(HexTest, EveryByteSurvivesTheRoundTrip) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const std::string text = ToHex(all);
  EXPECT_EQ(text.size(), 512u);
  EXPECT_EQ(text.substr(0, 6), "000102");
  EXPECT_EQ(text.substr(506), "fdfeff");
  std::string bytes;
  ASSERT_TRUE(DecodeHex(text, &bytes));
  EXPECT_EQ(bytes, all);
}

TEST(HexTest, EmptyTextIsNoBytes) {
  std::string bytes = "left over";
  ASSERT_TRUE(DecodeHex("", &bytes));
  EXPECT_EQ(bytes, "");
}

TEST(HexTest, BothCasesAreRead) {
  std::string bytes;
  ASSERT_TRUE(DecodeHex("aBCd", &bytes));
  EXPECT_EQ(bytes, "\xab\xcd");
}

TEST(HexTest, OddLengthsAndForeignCharactersAreRefused) {
  std::string bytes;
  for (const char* text : {"a", "abc", "0g", "g0", "0x", " 0", "0:", "0/", "0@", "0`"}) {
    EXPECT_FALSE(DecodeHex(text, &bytes)) << text;
  }
}

TEST(HexTest, AppendsToWhatIsThere) {
  std::string text = "key=";
  AppendHex("\x01\xff", &text);
  EXPECT_EQ(text, "key=01ff");
}

}  // namespace
}  // namespace espalier::tools
