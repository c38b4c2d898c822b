#include "engine/page/keys.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace espalier::page {
namespace {

using std::string_view_literals::operator""sv;  // NOLINT(misc-unused-using-decls)

TEST(KeysTest, HeadsOrderAsTheirBytesDo) {
  const std::vector<std::string_view> suffixes = {""sv,
                                                  "\0"sv,
                                                  "\0\0"sv,
                                                  "\0\0\0\1"sv,
                                                  "a"sv,
                                                  "a\0"sv,
                                                  "ab"sv,
                                                  "abc"sv,
                                                  "abcd"sv,
                                                  "abcde"sv,
                                                  "abce"sv,
                                                  "b"sv,
                                                  "\x7f"sv,
                                                  "\x80"sv,
                                                  "\xff\xff"sv,
                                                  "\xff\xff\xff\xff"sv,
                                                  "\xff\xff\xff\xff\xff"sv};
  for (const std::string_view a : suffixes) {
    for (const std::string_view b : suffixes) {
      // Heads decide where they differ; where they are equal, tails and lengths do.
      if (HeadOf(a) != HeadOf(b)) {
        EXPECT_EQ(HeadOf(a) < HeadOf(b), a < b);
      } else {
        const int order = CompareTails(TailOf(a), static_cast<uint32_t>(a.size()), TailOf(b),
                                       static_cast<uint32_t>(b.size()));
        EXPECT_EQ(order < 0, a < b);
        EXPECT_EQ(order == 0, a == b);
      }
    }
  }
}

TEST(KeysTest, HeadIsBigEndianAndPadded) {
  EXPECT_EQ(HeadOf(""), 0u);
  EXPECT_EQ(HeadOf("\x01"), 0x01000000u);
  EXPECT_EQ(HeadOf("\x01\x02\x03"), 0x01020300u);
  EXPECT_EQ(HeadOf("\x01\x02\x03\x04\x05"), 0x01020304u);
  EXPECT_EQ(TailOf("abc"), "");
  EXPECT_EQ(TailOf("abcd"), "");
  EXPECT_EQ(TailOf("abcdef"), "ef");
  EXPECT_EQ(TailLength(3), 0u);
  EXPECT_EQ(TailLength(4), 0u);
  EXPECT_EQ(TailLength(6), 2u);
}

TEST(KeysTest, ShortestSeparator) {
  for (const auto& [left, right, separator] :
       std::vector<std::array<std::string_view, 3>>{{"a", "b", "b"},
                                                    {"abc", "abd", "abd"},
                                                    {"abc", "b", "b"},
                                                    {"abc", "abcd", "abcd"},
                                                    {"abc", "abz123", "abz"},
                                                    {"", "x", "x"},
                                                    {"a\0"sv, "a\1zz"sv, "a\1"sv}}) {
    EXPECT_EQ(ShortestSeparator(left, right), separator);
    EXPECT_LT(left, ShortestSeparator(left, right));
    EXPECT_LE(ShortestSeparator(left, right), right);
  }
}

TEST(KeysTest, LowerBoundOfHeads) {
  std::vector<uint32_t> numbers;
  for (uint32_t count = 0; count <= 40; ++count) {
    std::vector<uint8_t> heads(4 * count + 4);
    for (uint32_t i = 0; i < count; ++i) StoreLE32(heads.data() + 4 * i, numbers[i]);
    for (uint32_t head = 0; head <= 3 * count + 3; ++head) {
      const auto expected =
          std::lower_bound(numbers.begin(), numbers.end(), head) - numbers.begin();
      EXPECT_EQ(LowerBoundHeads(heads.data(), count, head), static_cast<uint32_t>(expected));
    }
    EXPECT_EQ(LowerBoundHeads(heads.data(), count, UINT32_MAX), count);
    numbers.push_back(2 + count / 3 * 3);  // with equal ones
  }
}

TEST(KeysTest, ComparePrefix) {
  const auto compare = [](std::string_view key, std::string_view prefix) {
    return ComparePrefix(key, reinterpret_cast<const uint8_t*>(prefix.data()),
                         static_cast<uint32_t>(prefix.size()));
  };
  EXPECT_EQ(compare("", ""), 0);
  EXPECT_EQ(compare(std::string_view(), ""), 0);
  EXPECT_EQ(compare("anything", ""), 0);
  EXPECT_EQ(compare("prefix", "prefix"), 0);
  EXPECT_EQ(compare("prefix and more", "prefix"), 0);
  EXPECT_LT(compare("pref", "prefix"), 0);
  EXPECT_LT(compare("", "prefix"), 0);
  EXPECT_LT(compare("preface", "prefix"), 0);
  EXPECT_GT(compare("q", "prefix"), 0);
  EXPECT_GT(compare("\xff", "prefix"), 0);
}

}  // namespace
}  // namespace espalier::page
