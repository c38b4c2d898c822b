#include "engine/base/checksum.h"
#include "engine/page/checksum.h"

#include <cstdint>
#include <vector>

#include "engine/page/format.h"
#include "gtest/gtest.h"

namespace espalier::page {
namespace {

TEST(ChecksumTest, IsXxh3) {
  // Known values of XXH3-64: what the file format promises must not depend on a library's version.
  EXPECT_EQ(Checksum("", 0, 0), 0x2d06800538d394c2u);
  EXPECT_EQ(Checksum("a", 1, 0), 0xe6c632b61e964e1fu);
  EXPECT_NE(Checksum("a", 1, 1), Checksum("a", 1, 0));
}

TEST(ChecksumTest, EveryBitAndThePlaceCount) {
  constexpr uint32_t kPageBytes = 4096;
  std::vector<uint64_t> words(kPageBytes / 8, 0x0123456789abcdef);
  uint8_t* const page = reinterpret_cast<uint8_t*>(words.data());
  SealPage(page, kPageBytes, PageNumber(7));
  EXPECT_TRUE(ChecksumMatches(page, kPageBytes, PageNumber(7)));
  // In another place it is another page.
  EXPECT_FALSE(ChecksumMatches(page, kPageBytes, PageNumber(8)));
  for (uint32_t bit = 0; bit < 8 * kPageBytes; ++bit) {
    page[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(ChecksumMatches(page, kPageBytes, PageNumber(7))) << bit;
    page[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  }
  EXPECT_TRUE(ChecksumMatches(page, kPageBytes, PageNumber(7)));
}

}  // namespace
}  // namespace espalier::page
