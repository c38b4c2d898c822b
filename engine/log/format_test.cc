#include "engine/log/format.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/base/checksum.h"
#include "engine/base/endian.h"
#include "gtest/gtest.h"

namespace espalier::log {
namespace {

constexpr Uuid kUuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

TEST(HeaderTest, ByteByByte) {
  const auto bytes = Header{kUuid, 0x123456000, 0xfedcba9876543210}.Encode();
  EXPECT_EQ(LoadLE64(bytes.data()), Checksum(bytes.data() + 8, 56, 0));
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(&bytes[8]), 8), "EspLog01");
  EXPECT_TRUE(std::equal(kUuid.begin(), kUuid.end(), bytes.begin() + 16));
  EXPECT_EQ(LoadLE64(&bytes[32]), 0x123456000u);
  EXPECT_EQ(LoadLE64(&bytes[40]), 0xfedcba9876543210u);
  EXPECT_EQ(std::count(bytes.begin() + 48, bytes.end(), 0), 16);
}

TEST(HeaderTest, ComesBack) {
  const auto bytes = Header{kUuid, 8192, 99}.Encode();
  const auto decoded = Header::Decode(bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->uuid, kUuid);
  EXPECT_EQ(decoded->ring_bytes, 8192u);
  EXPECT_EQ(decoded->generation, 99u);
}

TEST(HeaderTest, EveryBitAndEveryLengthIsDetected) {
  const auto sound = Header{kUuid, 8192, 99}.Encode();
  for (size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    auto bytes = sound;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(Header::Decode(bytes).has_value()) << bit;
  }
  for (size_t length = 0; length < sound.size(); ++length) {
    EXPECT_FALSE(Header::Decode(std::span(sound).first(length)).has_value());
  }
}

TEST(HeaderTest, ImpossibleRings) {
  const auto decodes = [](uint64_t ring_bytes) {
    return Header::Decode(Header{kUuid, ring_bytes, 99}.Encode()).has_value();
  };
  EXPECT_TRUE(decodes(4096));
  EXPECT_TRUE(decodes(kMaxRingBytes));
  for (const uint64_t ring_bytes :
       {uint64_t{0}, uint64_t{1}, uint64_t{4095}, uint64_t{4100}, kMaxRingBytes + 4096,
        uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 4095}) {
    EXPECT_FALSE(decodes(ring_bytes)) << ring_bytes;
  }
}

// What makes a record belong where it stands: neither its bytes nor the place alone.
TEST(RecordChecksumTest, DependsOnBytesChainAndGeneration) {
  std::array<uint8_t, 40> record{};
  const LogPlace place{.position = {}, .generation = 5, .chain_value = 6, .sequence = 7};
  const uint64_t checksum = RecordChecksum(record, place);
  auto other = record;
  other[39] = 1;
  EXPECT_NE(RecordChecksum(other, place), checksum);
  LogPlace elsewhere = place;
  elsewhere.generation = 6;
  EXPECT_NE(RecordChecksum(record, elsewhere), checksum);
  elsewhere = place;
  elsewhere.chain_value = 7;
  EXPECT_NE(RecordChecksum(record, elsewhere), checksum);
  // The checksum's own bytes do not count.
  record[0] = 1;
  EXPECT_EQ(RecordChecksum(record, place), checksum);
}

}  // namespace
}  // namespace espalier::log
