#include "tools/text/escape.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

std::string Escaped(std::string_view bytes) {
  std::string text;
  AppendEscaped(bytes, &text);
  return text;
}

std::string Readable(std::string_view bytes) {
  std::string text;
  AppendReadable(bytes, &text);
  return text;
}

TEST(EscapeTest, EveryByteSurvivesTheRoundTrip) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  std::string bytes;
  ASSERT_TRUE(DecodeEscaped(Escaped(all), &bytes));
  EXPECT_EQ(bytes, all);
  ASSERT_TRUE(DecodeEscaped(Readable(all), &bytes));
  EXPECT_EQ(bytes, all);
}

TEST(EscapeTest, PrintFormatEscapesWhatIsNotPrintableAscii) {
  EXPECT_EQ(Escaped("a b~\n\\\xc3\xa9\x7f"), "a b~\\0a\\5c\\c3\\a9\\7f");
}

TEST(EscapeTest, ReadableFormKeepsUtf8) {
  EXPECT_EQ(Readable("caf\xc3\xa9\t\\\x7f"), "caf\xc3\xa9\\09\\5c\\7f");
}

TEST(EscapeTest, DoubleBackslashIsOne) {
  std::string bytes;
  ASSERT_TRUE(DecodeEscaped("\\00\\\\n\\\\", &bytes));
  EXPECT_EQ(bytes, std::string("\0\\n\\", 4));
}

TEST(EscapeTest, BadEscapesAreRefused) {
  std::string bytes;
  for (const char* text : {"\\", "a\\", "\\0", "\\x0", "\\0x", "ok\\n", "\\\\\\"}) {
    EXPECT_FALSE(DecodeEscaped(text, &bytes)) << text;
  }
}

}  // namespace
}  // namespace espalier::tools
