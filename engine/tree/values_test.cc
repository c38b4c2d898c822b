#include "engine/tree/values.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/tree/tree_for_testing.h"
#include "engine/tree/tree_writer.h"
#include "gtest/gtest.h"

namespace espalier::tree {
namespace {

using Code = absl::StatusCode;
using page::LargeRef;
using page::Payload;

constexpr uint32_t kPageBytes = TreeForTesting::kPageBytes;

class ValuesTest : public ::testing::Test {
 protected:
  std::string Noise(size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }

  Payload Encode(const std::string& value, uint32_t compress_from = 0, size_t key_bytes = 10) {
    return encoder_.Encode(tree_.pages(), key_bytes, value, compress_from).value();
  }

  void ExpectComesBack(const Payload& payload, const std::string& value) {
    values_.Reset();
    EXPECT_THAT(DecodeValue(tree_.reader(), payload, values_), IsOkAndHolds(value));
    EXPECT_THAT(ValueSize(tree_.reader(), payload), IsOkAndHolds(value.size()));
    for (const uint64_t offset : {uint64_t{0}, value.size() / 3, value.size(), value.size() + 10}) {
      for (const uint64_t length : {uint64_t{0}, uint64_t{1}, value.size() / 2, UINT64_MAX}) {
        values_.Reset();
        const std::string expected = offset >= value.size() ? "" : value.substr(offset, length);
        EXPECT_THAT(DecodePart(tree_.reader(), payload, offset, length, values_),
                    IsOkAndHolds(expected));
      }
    }
  }

  std::mt19937_64 random_{TestSeed(1)};
  TreeForTesting tree_;
  ValueEncoder encoder_;
  page::Arena values_;
};

TEST_F(ValuesTest, OfAllSizesAroundTheLimits) {
  std::vector<size_t> sizes = {0, 1, 3, 4, 5, 100};
  for (const size_t limit :
       {size_t{kPageBytes} / 2, size_t{kPageBytes}, size_t{65536}, size_t{131072}}) {
    for (size_t size = limit - 70; size <= limit + 3; ++size) sizes.push_back(size);
  }
  for (const size_t size : sizes) {
    SCOPED_TRACE(size);
    const std::string value = Noise(size);
    const Payload payload = Encode(value);
    EXPECT_FALSE(payload.compressed);
    EXPECT_EQ(payload.large, !page::FitsInline(10, size, kPageBytes));
    ExpectComesBack(payload, value);
  }
}

TEST_F(ValuesTest, CompressedWhereThatSaves) {
  const std::string text(3000, 't');
  // Below the threshold: plain.
  EXPECT_TRUE(Encode(text, 3001).large);
  ExpectComesBack(Encode(text, 3001), text);
  // From it on: so small that it is kept inline.
  const Payload inline_payload = Encode(text, 3000);
  EXPECT_TRUE(inline_payload.compressed);
  EXPECT_FALSE(inline_payload.large);
  EXPECT_LT(inline_payload.bytes.size(), 100u);
  ExpectComesBack(inline_payload, text);
  // A large one says itself that it is compressed.
  std::string mixed;
  for (int i = 0; i < 200; ++i) mixed += Noise(100) + std::string(300, '-');
  const Payload large = Encode(mixed, 1);
  EXPECT_FALSE(large.compressed);
  ASSERT_TRUE(large.large);
  const LargeRef ref = LargeRef::Decode(reinterpret_cast<const uint8_t*>(large.bytes.data()));
  EXPECT_TRUE(ref.compressed);
  EXPECT_EQ(ref.value_bytes, mixed.size());
  EXPECT_LT(ref.stored_bytes, mixed.size() / 2);
  ExpectComesBack(large, mixed);
}

TEST_F(ValuesTest, WhatLz4CannotTakeStaysPlain) {
  for (const size_t size : {0u, 1u, 3u, 10u, 1000u, 5000u, 100000u}) {
    SCOPED_TRACE(size);
    const std::string value = Noise(size);
    const Payload payload = Encode(value, 1);
    EXPECT_FALSE(payload.compressed);
    if (payload.large) {
      EXPECT_FALSE(
          LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data())).compressed);
    }
    ExpectComesBack(payload, value);
  }
  // Savings of less than an eighth are not worth a decompression.
  std::string nearly = Noise(950) + std::string(50, 'x');
  EXPECT_FALSE(Encode(nearly, 1).compressed);
}

TEST_F(ValuesTest, ALongKeyLeavesLessRoom) {
  const std::string value = Noise(1500);
  EXPECT_FALSE(Encode(value, 0, 10).large);
  EXPECT_TRUE(Encode(value, 0, 1000).large);
  EXPECT_TRUE(Encode(Noise(60), 0, page::MaxKeyBytes(kPageBytes)).large);
  EXPECT_FALSE(Encode(Noise(30), 0, page::MaxKeyBytes(kPageBytes)).large);
}

TEST_F(ValuesTest, RunsAreFreedWithTheirEntries) {
  const uint64_t before = tree_.allocator().reachable_pages();
  const Payload payload = Encode(Noise(20000));
  EXPECT_EQ(tree_.allocator().reachable_pages(), before + 5);
  ASSERT_THAT(FreeLarge(tree_.pages(), payload), IsOk());
  EXPECT_EQ(tree_.allocator().reachable_pages(), before);
  // A second time is damage.
  EXPECT_THAT(FreeLarge(tree_.pages(), payload), StatusIs(Code::kDataLoss));
  EXPECT_THAT(FreeLarge(tree_.pages(), Encode("small")), IsOk());
}

TEST_F(ValuesTest, Reserved) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{100}, uint64_t{5000}, uint64_t{200000}}) {
    uint8_t* run = nullptr;
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Payload payload,
                                  encoder_.EncodeReserved(tree_.pages(), 10, size, &run));
    EXPECT_EQ(run != nullptr, !page::FitsInline(10, size, kPageBytes));
    EXPECT_THAT(ValueSize(tree_.reader(), payload), IsOkAndHolds(size));
  }
  uint8_t* run = nullptr;
  EXPECT_THAT(encoder_.EncodeReserved(tree_.pages(), 10, LargeRef::kMaxBytes + 1, &run),
              StatusIs(Code::kInvalidArgument));
}

// A block that claims to be more than it is, or is no block: kDataLoss, and no such memory is asked
// for.
TEST_F(ValuesTest, DamagedCompressedValues) {
  const std::string text(3000, 't');
  const std::string sound(Encode(text, 1).bytes);
  const auto decode = [&](const std::string& bytes) {
    values_.Reset();
    return DecodeValue(tree_.reader(), Payload{bytes, true, false}, values_);
  };
  EXPECT_THAT(decode(sound), IsOkAndHolds(text));
  for (const uint32_t size : {0u, 2999u, 3001u, 1u << 20, 0x7e000001u, UINT32_MAX}) {
    std::string damaged = sound;
    StoreLE32(reinterpret_cast<uint8_t*>(damaged.data()), size);
    EXPECT_THAT(decode(damaged), StatusIs(Code::kDataLoss)) << size;
  }
  for (size_t length = 4; length < sound.size(); ++length) {
    EXPECT_THAT(decode(sound.substr(0, length)), StatusIs(Code::kDataLoss)) << length;
  }
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = sound;
    damaged[4 + random_() % (damaged.size() - 4)] = static_cast<char>(random_());
    const auto value = decode(damaged);
    if (value.ok()) {
      EXPECT_EQ(value->size(), text.size());
    } else {
      EXPECT_THAT(value, StatusIs(Code::kDataLoss));
    }
  }
}

}  // namespace
}  // namespace espalier::tree
