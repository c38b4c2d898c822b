#include "engine/page/checkpoint_slot.h"

#include <algorithm>
#include <cstring>

#include "engine/base/endian.h"
#include "engine/page/checksum.h"

namespace espalier::page {
namespace {

constexpr char kMagic[] = "EspSlot1";
constexpr uint32_t kCleanFlag = 1;

}  // namespace

std::array<uint8_t, CheckpointSlot::kEncodedBytes> CheckpointSlot::Encode(
    const Uuid& uuid, uint32_t slot_index) const {
  std::array<uint8_t, kEncodedBytes> bytes{};
  uint8_t* const at = bytes.data();
  std::memcpy(at + 8, kMagic, 8);
  std::copy(uuid.begin(), uuid.end(), bytes.begin() + kUuidOffset);
  StoreLE64(at + 32, sequence);
  StoreLE64(at + 40, version.value);
  StoreLE64(at + 48, page_count);
  StoreLE64(at + 56, catalogue.ref.bits());
  StoreLE64(at + 64, catalogue.entries);
  StoreLE32(at + 72, catalogue.height);
  StoreLE32(at + 76, clean ? kCleanFlag : 0);
  StoreLE64(at + 80, space_map.bits());
  StoreLE32(at + 88, space_map_height);
  StoreLE64(at + 96, log_generation);
  StoreLE64(at + 104, log_position);
  StoreLE64(at + 112, log_chain_value);
  StoreLE64(at + 120, next_keyspace_id);
  StoreLE64(at, Checksum(at + 8, kEncodedBytes - 8, slot_index));
  return bytes;
}

std::optional<CheckpointSlot> CheckpointSlot::Decode(std::span<const uint8_t> bytes,
                                                     const Uuid& uuid, uint32_t slot_index) {
  if (bytes.size() < kEncodedBytes) return std::nullopt;
  const uint8_t* const at = bytes.data();
  if (LoadLE64(at) != Checksum(at + 8, kEncodedBytes - 8, slot_index)) return std::nullopt;
  if (std::memcmp(at + 8, kMagic, 8) != 0) return std::nullopt;
  if (!std::equal(uuid.begin(), uuid.end(), bytes.begin() + kUuidOffset)) return std::nullopt;
  CheckpointSlot slot;
  slot.sequence = LoadLE64(at + 32);
  slot.version = Version(LoadLE64(at + 40));
  slot.page_count = LoadLE64(at + 48);
  slot.catalogue = {ChildRef(LoadLE64(at + 56)), LoadLE64(at + 64), LoadLE32(at + 72)};
  slot.clean = (LoadLE32(at + 76) & kCleanFlag) != 0;
  slot.space_map = ChildRef(LoadLE64(at + 80));
  slot.space_map_height = LoadLE32(at + 88);
  slot.log_generation = LoadLE64(at + 96);
  slot.log_position = LoadLE64(at + 104);
  slot.log_chain_value = LoadLE64(at + 112);
  slot.next_keyspace_id = LoadLE64(at + 120);
  // Both count up from here and must not overflow; the highest versions are marks of the reader
  // table.
  if (slot.version.value == 0 || slot.version.value > kMaxVersion || slot.sequence > kMaxVersion) {
    return std::nullopt;
  }
  if (slot.page_count > kMaxPageNumber || slot.catalogue.height > kMaxHeight ||
      slot.space_map_height > kMaxHeight) {
    return std::nullopt;
  }
  return slot;
}

std::optional<CheckpointSlot> CheckpointSlot::DecodeOfAny(std::span<const uint8_t> bytes,
                                                          uint32_t slot_index) {
  if (bytes.size() < kEncodedBytes) return std::nullopt;
  Uuid uuid;
  std::copy_n(bytes.begin() + kUuidOffset, uuid.size(), uuid.begin());
  return Decode(bytes, uuid, slot_index);
}

}  // namespace espalier::page
