#include "tools/cli/render.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

TEST(RenderTest, RecognisesUtf8) {
  for (const char* text :
       {"", "plain", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8c\xb3", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xc3", "a\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3\x28", "\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
  EXPECT_TRUE(IsUtf8(std::string_view("\0", 1)));
}

TEST(RenderTest, JsonCarriesEveryByteString) {
  Json object;
  SetBytes("key", "caf\xc3\xa9\n\"", false, &object);
  SetBytes("value", "\xff\x01", false, &object);
  SetBytes("other", "ab", true, &object);
  EXPECT_EQ(JsonLine(object),
            "{\"key\":\"caf\xc3\xa9\\n\\\"\",\"value_hex\":\"ff01\",\"other\":\"6162\"}\n");
}

TEST(RenderTest, TextStaysOnItsLine) {
  std::string line;
  AppendBytes("a\nb", false, &line);
  line += '\t';
  AppendBytes("a\nb", true, &line);
  EXPECT_EQ(line, "a\\0ab\t610a62");
}

}  // namespace
}  // namespace espalier::tools
