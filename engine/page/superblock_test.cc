#include "engine/page/superblock.h"

#include <array>
#include <cstdint>
#include <span>

#include "engine/base/checksum.h"
#include "engine/base/endian.h"
#include "engine/base/status_for_testing.h"
#include "engine/page/checkpoint_slot.h"
#include "gtest/gtest.h"

namespace espalier::page {
namespace {

using Code = absl::StatusCode;
using ::testing::HasSubstr;

constexpr Uuid kUuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

TEST(SuperblockTest, ComesBack) {
  for (const uint32_t page_bytes : {4096u, 8192u, 16384u, 32768u, 65536u}) {
    const auto bytes = Superblock{page_bytes, kUuid}.Encode();
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Superblock decoded, Superblock::Decode(bytes, "name"));
    EXPECT_EQ(decoded.page_bytes, page_bytes);
    EXPECT_EQ(decoded.uuid, kUuid);
  }
}

TEST(SuperblockTest, EveryBitIsDetected) {
  const auto sound = Superblock{4096, kUuid}.Encode();
  for (size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    auto bytes = sound;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_THAT(Superblock::Decode(bytes, "name"), StatusIs(Code::kDataLoss, HasSubstr("name")));
  }
}

TEST(SuperblockTest, WhatIsNoDatabase) {
  const auto sound = Superblock{4096, kUuid}.Encode();
  EXPECT_THAT(Superblock::Decode({}, "name"), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(Superblock::Decode(std::span(sound).first(127), "name"),
              StatusIs(Code::kInvalidArgument));
  std::array<uint8_t, 128> other{};
  EXPECT_THAT(Superblock::Decode(other, "name"), StatusIs(Code::kInvalidArgument));
  other.fill('x');
  EXPECT_THAT(Superblock::Decode(other, "name"), StatusIs(Code::kInvalidArgument));
}

TEST(SuperblockTest, OtherVersionsAndPageSizes) {
  const auto with = [](uint32_t offset, uint32_t number) {
    auto bytes = Superblock{4096, kUuid}.Encode();
    StoreLE32(bytes.data() + offset, number);
    StoreLE64(bytes.data(), Checksum(bytes.data() + 8, bytes.size() - 8, 0));
    return Superblock::Decode(bytes, "name");
  };
  EXPECT_THAT(with(16, 2), StatusIs(Code::kUnimplemented, HasSubstr("format 2")));
  EXPECT_THAT(with(16, 0), StatusIs(Code::kUnimplemented));
  EXPECT_THAT(with(16, 1), IsOk());
  for (const uint32_t page_bytes : {0u, 1u, 2048u, 4097u, 12288u, 131072u}) {
    EXPECT_THAT(with(20, page_bytes), StatusIs(Code::kDataLoss));
  }
}

CheckpointSlot SomeSlot() {
  CheckpointSlot slot;
  slot.sequence = 12;
  slot.version = Version(345);
  slot.page_count = 6789;
  slot.catalogue = {ChildRef(0x1234000000000056), 78, 3};
  slot.clean = true;
  slot.space_map = ChildRef(0x9abc0000000000de);
  slot.space_map_height = 2;
  slot.log_generation = 21;
  slot.log_position = 22;
  slot.log_chain_value = 23;
  slot.next_keyspace_id = 24;
  slot.keyspace = {25, {ChildRef(0x1234000000000078), 26, 4}, 27};
  return slot;
}

TEST(CheckpointSlotTest, ComesBack) {
  const CheckpointSlot slot = SomeSlot();
  for (const uint32_t index : {0u, 1u}) {
    const auto bytes = slot.Encode(kUuid, index);
    const auto decoded = CheckpointSlot::Decode(bytes, kUuid, index);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->sequence, slot.sequence);
    EXPECT_EQ(decoded->version, slot.version);
    EXPECT_EQ(decoded->page_count, slot.page_count);
    EXPECT_EQ(decoded->catalogue, slot.catalogue);
    EXPECT_EQ(decoded->clean, slot.clean);
    EXPECT_EQ(decoded->space_map, slot.space_map);
    EXPECT_EQ(decoded->space_map_height, slot.space_map_height);
    EXPECT_EQ(decoded->log_generation, slot.log_generation);
    EXPECT_EQ(decoded->log_position, slot.log_position);
    EXPECT_EQ(decoded->log_chain_value, slot.log_chain_value);
    EXPECT_EQ(decoded->next_keyspace_id, slot.next_keyspace_id);
    ASSERT_TRUE(decoded->keyspace.has_value());
    EXPECT_EQ(decoded->keyspace->id, slot.keyspace->id);
    EXPECT_EQ(decoded->keyspace->root, slot.keyspace->root);
    EXPECT_EQ(decoded->keyspace->compress_from, slot.keyspace->compress_from);
    // Not in the other slot's place, not in another database.
    EXPECT_FALSE(CheckpointSlot::Decode(bytes, kUuid, 1 - index).has_value());
    Uuid other = kUuid;
    other[0] = 99;
    EXPECT_FALSE(CheckpointSlot::Decode(bytes, other, index).has_value());
    EXPECT_FALSE(CheckpointSlot::Decode(std::span(bytes).first(255), kUuid, index).has_value());
  }
}

TEST(CheckpointSlotTest, WithoutAKeyspace) {
  CheckpointSlot slot = SomeSlot();
  slot.keyspace.reset();
  const auto decoded = CheckpointSlot::Decode(slot.Encode(kUuid, 0), kUuid, 0);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_FALSE(decoded->keyspace.has_value());
}

TEST(CheckpointSlotTest, EveryBitIsDetected) {
  const auto sound = SomeSlot().Encode(kUuid, 1);
  for (size_t bit = 0; bit < 8 * sound.size(); ++bit) {
    auto bytes = sound;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(CheckpointSlot::Decode(bytes, kUuid, 1).has_value()) << bit;
  }
}

TEST(CheckpointSlotTest, ImpossibleNumbers) {
  const auto decodes = [](auto change) {
    CheckpointSlot slot = SomeSlot();
    change(slot);
    return CheckpointSlot::Decode(slot.Encode(kUuid, 0), kUuid, 0).has_value();
  };
  EXPECT_TRUE(decodes([](auto&) {}));
  EXPECT_TRUE(decodes([](auto& slot) { slot.version = Version(kMaxVersion); }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.version = Version(kMaxVersion + 1); }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.version = Version(0); }));
  EXPECT_TRUE(decodes([](auto& slot) { slot.keyspace->root = {}; }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.keyspace->root.height = 0; }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.keyspace->root.height = kMaxHeight; }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.keyspace->root.ref = {}; }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.sequence = kMaxVersion + 1; }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.page_count = kMaxPageNumber + 1; }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.catalogue.height = kMaxHeight + 1; }));
  EXPECT_FALSE(decodes([](auto& slot) { slot.space_map_height = kMaxHeight + 1; }));
}

}  // namespace
}  // namespace espalier::page
