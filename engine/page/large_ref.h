// A value that is too large for its leaf lies in a run of consecutive pages without any header, so
// that a view of it is one pointer. The leaf keeps a LargeRef:
//
//   offset  bytes  field
//        0      8  first page of the run (48 bits) | bit 63: LZ4-compressed
//        8      8  size of the value
//       16      8  bytes stored: the same, or the size of the LZ4 block
//       24      8  birth: the version that wrote the run
//       32      8  checksum of the stored bytes if they fit into one chunk of 64 KiB, otherwise of
//                  the chunks' checksums
//
// A run of more than one chunk carries the XXH3-64 checksums of its chunks, 8 bytes each, behind
// the stored bytes, from the next multiple of 8 on. Each is seeded with the first page, birth and
// index of the chunk, so that a chunk of another value, or of an older one in the same place, does
// not validate. The leaf, and the log, have the checksum of those checksums, so that neither does
// what another transaction wrote there as the same version, before it was dropped. (The first
// builds wrote 0 in its place, which nothing is compared with.)
#ifndef ESPALIER_ENGINE_PAGE_LARGE_REF_H_
#define ESPALIER_ENGINE_PAGE_LARGE_REF_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "engine/base/types.h"
#include "engine/page/format.h"

namespace espalier::page {

struct LargeRef {
  static constexpr uint32_t kEncodedBytes = 40;
  static constexpr uint64_t kChunkBytes = uint64_t{64} << 10;
  // Sizes above are refused, so that sums of sizes cannot overflow.
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 47;
  static constexpr uint64_t kCompressedBit = uint64_t{1} << 63;

  PageNumber first_page{0};
  bool compressed = false;
  uint64_t value_bytes = 0;
  uint64_t stored_bytes = 0;
  Version birth{0};
  uint64_t checksum = 0;

  uint64_t ChunkCount() const { return (stored_bytes + kChunkBytes - 1) / kChunkBytes; }
  // Offset of the chunks' checksums in the run.
  uint64_t ChecksumsOffset() const { return (stored_bytes + 7) & ~uint64_t{7}; }
  uint64_t RunBytes() const {
    return ChunkCount() > 1 ? ChecksumsOffset() + 8 * ChunkCount() : stored_bytes;
  }
  uint64_t RunPages(uint32_t page_bytes) const {
    return (RunBytes() + page_bytes - 1) / page_bytes;
  }
  uint64_t ChunkBytes(uint64_t chunk) const {
    return std::min(kChunkBytes, stored_bytes - chunk * kChunkBytes);
  }
  std::span<const uint8_t> ChunkOf(const uint8_t* run, uint64_t chunk) const {
    return {run + chunk * kChunkBytes, ChunkBytes(chunk)};
  }
  uint64_t ChunkSeed(uint64_t chunk) const {
    return first_page.value * 0x9e3779b97f4a7c15u ^ birth.value * 0xc2b2ae3d27d4eb4fu ^ chunk;
  }

  // As in the leaf.
  struct Encoded {
    uint64_t first_page;  // and kCompressedBit
    uint64_t value_bytes;
    uint64_t stored_bytes;
    uint64_t birth;
    uint64_t checksum;
  };

  void Encode(uint8_t* out) const {
    const Encoded encoded = {
        .first_page = first_page.value | (compressed ? kCompressedBit : 0),
        .value_bytes = value_bytes,
        .stored_bytes = stored_bytes,
        .birth = birth.value,
        .checksum = checksum,
    };
    std::memcpy(out, &encoded, sizeof(encoded));
  }
  static LargeRef Decode(const uint8_t* in) {
    Encoded encoded;
    std::memcpy(&encoded, in, sizeof(encoded));
    LargeRef ref;
    ref.first_page = PageNumber(encoded.first_page & kMaxPageNumber);
    ref.compressed = (encoded.first_page & kCompressedBit) != 0;
    ref.value_bytes = encoded.value_bytes;
    ref.stored_bytes = encoded.stored_bytes;
    ref.birth = Version(encoded.birth);
    ref.checksum = encoded.checksum;
    return ref;
  }
};

static_assert(sizeof(LargeRef::Encoded) == LargeRef::kEncodedBytes);
static_assert(offsetof(LargeRef::Encoded, first_page) == 0);
static_assert(offsetof(LargeRef::Encoded, value_bytes) == 8);
static_assert(offsetof(LargeRef::Encoded, stored_bytes) == 16);
static_assert(offsetof(LargeRef::Encoded, birth) == 24);
static_assert(offsetof(LargeRef::Encoded, checksum) == 32);

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_LARGE_REF_H_
