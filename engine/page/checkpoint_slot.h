// A checkpoint slot says where the newest durable version begins. There are two, written in turn,
// each only after everything that it refers to is durable (INV-4).
//
//   offset  bytes  field
//        0      8  checksum: XXH3-64 of the other 248 bytes, seeded with the slot's index
//        8      8  magic "EspSlot1"
//       16     16  UUID of the database
//       32      8  sequence: the slot with the higher one is newer
//       40      8  version
//       48      8  page count: pages of the file that the version may refer to
//       56      8  catalogue: child reference of the root
//       64      8  catalogue: entries
//       72      4  catalogue: height
//       76      4  flags; bit 0: clean (the log is not needed); bit 1: with a keyspace
//       80      8  space map: child reference of the root
//       88      4  space map: height
//       92      4  zero
//       96      8  log generation
//      104      8  log position
//      112      8  log chain value
//      120      8  next keyspace id
//      128      8  keyspace: id
//      136      8  keyspace: child reference of the root
//      144      8  keyspace: entries
//      152      4  keyspace: height
//      156      4  keyspace: compress-from
//      160     96  zeros
#ifndef ESPALIER_ENGINE_PAGE_CHECKPOINT_SLOT_H_
#define ESPALIER_ENGINE_PAGE_CHECKPOINT_SLOT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/base/types.h"
#include "engine/page/format.h"
#include "engine/page/superblock.h"

namespace espalier::page {

struct CheckpointSlot {
  static constexpr uint32_t kEncodedBytes = 256;

  uint64_t sequence = 0;
  Version version{0};
  uint64_t page_count = 0;
  TreeRoot catalogue;
  bool clean = false;
  ChildRef space_map;
  uint32_t space_map_height = 0;
  uint64_t log_generation = 0;
  uint64_t log_position = 0;
  uint64_t log_chain_value = 0;
  uint64_t next_keyspace_id = 0;
  struct Keyspace {
    uint64_t id = 0;
    TreeRoot root;
    uint32_t compress_from = 0;
  };
  // One of which the catalogue may have an older record: this one holds.
  std::optional<Keyspace> keyspace;

  std::array<uint8_t, kEncodedBytes> Encode(const Uuid& uuid, uint32_t slot_index) const;

  // Nothing if the bytes are no valid slot of this database.
  static std::optional<CheckpointSlot> Decode(std::span<const uint8_t> bytes, const Uuid& uuid,
                                              uint32_t slot_index);
  // Where the superblock, which has the UUID, is damaged: whether this is a valid slot of some
  // database, and which.
  static std::optional<CheckpointSlot> DecodeOfAny(std::span<const uint8_t> bytes,
                                                   uint32_t slot_index);
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_CHECKPOINT_SLOT_H_
