#include "engine/page/checkpoint_slot.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "engine/base/checksum.h"
#include "engine/base/mutant.h"

namespace espalier::page {
namespace {

constexpr std::array<char, 8> kMagic = {'E', 's', 'p', 'S', 'l', 'o', 't', '1'};
constexpr uint32_t kCleanFlag = 1;
constexpr uint32_t kKeyspaceFlag = 2;

// As in the file.
struct Encoded {
  uint64_t checksum;
  std::array<char, 8> magic;
  Uuid uuid;
  uint64_t sequence;
  uint64_t version;
  uint64_t page_count;
  uint64_t catalogue;
  uint64_t catalogue_entries;
  uint32_t catalogue_height;
  uint32_t flags;
  uint64_t space_map;
  uint32_t space_map_height;
  uint32_t zero;
  uint64_t log_generation;
  uint64_t log_position;
  uint64_t log_chain_value;
  uint64_t next_keyspace_id;
  uint64_t keyspace_id;
  uint64_t keyspace_root;
  uint64_t keyspace_entries;
  uint32_t keyspace_height;
  uint32_t keyspace_compress_from;
  std::array<uint8_t, 96> zeros;
};
static_assert(sizeof(Encoded) == CheckpointSlot::kEncodedBytes);
static_assert(offsetof(Encoded, checksum) == 0);
static_assert(offsetof(Encoded, magic) == 8);
static_assert(offsetof(Encoded, uuid) == 16);
static_assert(offsetof(Encoded, sequence) == 32);
static_assert(offsetof(Encoded, version) == 40);
static_assert(offsetof(Encoded, page_count) == 48);
static_assert(offsetof(Encoded, catalogue) == 56);
static_assert(offsetof(Encoded, catalogue_entries) == 64);
static_assert(offsetof(Encoded, catalogue_height) == 72);
static_assert(offsetof(Encoded, flags) == 76);
static_assert(offsetof(Encoded, space_map) == 80);
static_assert(offsetof(Encoded, space_map_height) == 88);
static_assert(offsetof(Encoded, log_generation) == 96);
static_assert(offsetof(Encoded, log_position) == 104);
static_assert(offsetof(Encoded, log_chain_value) == 112);
static_assert(offsetof(Encoded, next_keyspace_id) == 120);
static_assert(offsetof(Encoded, keyspace_id) == 128);
static_assert(offsetof(Encoded, keyspace_root) == 136);
static_assert(offsetof(Encoded, keyspace_entries) == 144);
static_assert(offsetof(Encoded, keyspace_height) == 152);
static_assert(offsetof(Encoded, keyspace_compress_from) == 156);
static_assert(offsetof(Encoded, zeros) == 160);

uint64_t ChecksumOf(const Encoded& encoded, uint32_t slot_index) {
  return Checksum(reinterpret_cast<const uint8_t*>(&encoded) + sizeof(encoded.checksum),
                  sizeof(encoded) - sizeof(encoded.checksum), slot_index);
}

}  // namespace

std::array<uint8_t, CheckpointSlot::kEncodedBytes> CheckpointSlot::Encode(
    const Uuid& uuid, uint32_t slot_index) const {
  Encoded encoded{};
  encoded.magic = kMagic;
  encoded.uuid = uuid;
  encoded.sequence = sequence;
  encoded.version = version.value;
  encoded.page_count = page_count;
  encoded.catalogue = catalogue.ref.bits();
  encoded.catalogue_entries = catalogue.entries;
  encoded.catalogue_height = catalogue.height;
  encoded.flags = clean ? kCleanFlag : 0;
  encoded.space_map = space_map.bits();
  encoded.space_map_height = space_map_height;
  encoded.log_generation = log_generation;
  encoded.log_position = log_position;
  encoded.log_chain_value = log_chain_value;
  encoded.next_keyspace_id = next_keyspace_id;
  if (keyspace.has_value()) {
    encoded.flags |= kKeyspaceFlag;
    encoded.keyspace_id = keyspace->id;
    encoded.keyspace_root = keyspace->root.ref.bits();
    encoded.keyspace_entries = keyspace->root.entries;
    encoded.keyspace_height = keyspace->root.height;
    encoded.keyspace_compress_from = keyspace->compress_from;
  }
  encoded.checksum = ChecksumOf(encoded, slot_index);
  return std::bit_cast<std::array<uint8_t, kEncodedBytes>>(encoded);
}

std::optional<CheckpointSlot> CheckpointSlot::Decode(std::span<const uint8_t> bytes,
                                                     const Uuid& uuid, uint32_t slot_index) {
  Encoded encoded;
  if (bytes.size() < sizeof(encoded)) return std::nullopt;
  std::memcpy(&encoded, bytes.data(), sizeof(encoded));
  if ((encoded.checksum != ChecksumOf(encoded, slot_index) && !IsMutant(Mutant::kNoSlotChecksum)) ||
      encoded.magic != kMagic || encoded.uuid != uuid) {
    return std::nullopt;
  }
  CheckpointSlot slot;
  slot.sequence = encoded.sequence;
  slot.version = Version(encoded.version);
  slot.page_count = encoded.page_count;
  slot.catalogue = {ChildRef(encoded.catalogue), encoded.catalogue_entries,
                    encoded.catalogue_height};
  slot.clean = (encoded.flags & kCleanFlag) != 0;
  slot.space_map = ChildRef(encoded.space_map);
  slot.space_map_height = encoded.space_map_height;
  slot.log_generation = encoded.log_generation;
  slot.log_position = encoded.log_position;
  slot.log_chain_value = encoded.log_chain_value;
  slot.next_keyspace_id = encoded.next_keyspace_id;
  if ((encoded.flags & kKeyspaceFlag) != 0) {
    const TreeRoot root = {ChildRef(encoded.keyspace_root), encoded.keyspace_entries,
                           encoded.keyspace_height};
    if (!root.IsPlausible()) return std::nullopt;
    slot.keyspace = {encoded.keyspace_id, root, encoded.keyspace_compress_from};
  }
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
  std::memcpy(uuid.data(), bytes.data() + offsetof(Encoded, uuid), uuid.size());
  return Decode(bytes, uuid, slot_index);
}

}  // namespace espalier::page
