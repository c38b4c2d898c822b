// A value that is too large for its leaf lies in a run of consecutive pages without any header, so
// that a view of it is one pointer. The leaf keeps a LargeRef:
//
//   offset  bytes  field
//        0      8  first page of the run (48 bits) | bit 63: LZ4-compressed
//        8      8  size of the value
//       16      8  bytes stored: the same, or the size of the LZ4 block
//       24      8  birth: the version that wrote the run
//       32      8  checksum of the stored bytes if they fit into one chunk of 64 KiB, otherwise 0
//
// A run of more than one chunk carries the XXH3-64 checksums of its chunks, 8 bytes each, behind
// the stored bytes, from the next multiple of 8 on. Each is seeded with the first page, birth and
// index of the chunk, so that a chunk of another value, or of an older one in the same place, does
// not validate.
#ifndef ESPALIER_ENGINE_PAGE_LARGE_REF_H_
#define ESPALIER_ENGINE_PAGE_LARGE_REF_H_

#include <cstdint>

#include "engine/base/endian.h"
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
  uint64_t ChunkSeed(uint64_t chunk) const {
    return first_page.value * 0x9e3779b97f4a7c15u ^ birth.value * 0xc2b2ae3d27d4eb4fu ^ chunk;
  }

  void Encode(uint8_t* out) const {
    StoreLE64(out, first_page.value | (compressed ? kCompressedBit : 0));
    StoreLE64(out + 8, value_bytes);
    StoreLE64(out + 16, stored_bytes);
    StoreLE64(out + 24, birth.value);
    StoreLE64(out + 32, checksum);
  }
  static LargeRef Decode(const uint8_t* in) {
    LargeRef ref;
    ref.first_page = PageNumber(LoadLE64(in) & kMaxPageNumber);
    ref.compressed = (LoadLE64(in) & kCompressedBit) != 0;
    ref.value_bytes = LoadLE64(in + 8);
    ref.stored_bytes = LoadLE64(in + 16);
    ref.birth = Version(LoadLE64(in + 24));
    ref.checksum = LoadLE64(in + 32);
    return ref;
  }
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_LARGE_REF_H_
