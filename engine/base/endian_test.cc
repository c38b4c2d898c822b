#include "engine/base/endian.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace espalier {
namespace {

TEST(EndianTest, LoadsLittleEndianFromAnyAddress) {
  const uint8_t bytes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(LoadLE16(bytes + 1), 0x0201);
  EXPECT_EQ(LoadLE32(bytes + 1), 0x04030201u);
  EXPECT_EQ(LoadLE64(bytes + 1), 0x0807060504030201u);
}

TEST(EndianTest, LoadsBigEndianSoThatIntegersCompareAsBytes) {
  const uint8_t bytes[] = {0, 1, 2, 3, 0xff};
  EXPECT_EQ(LoadBE32(bytes + 1), 0x010203ffu);
  EXPECT_LT(LoadBE32(bytes), LoadBE32(bytes + 1));
}

TEST(EndianTest, StoresWhatItLoads) {
  uint8_t bytes[9] = {};
  StoreLE16(bytes + 1, 0x1234);
  EXPECT_EQ(bytes[1], 0x34);
  EXPECT_EQ(bytes[2], 0x12);
  StoreLE32(bytes + 1, 0x12345678);
  EXPECT_EQ(LoadLE32(bytes + 1), 0x12345678u);
  StoreLE64(bytes + 1, 0x123456789abcdef0);
  EXPECT_EQ(LoadLE64(bytes + 1), 0x123456789abcdef0u);
  EXPECT_EQ(bytes[0], 0);
}

}  // namespace
}  // namespace espalier
