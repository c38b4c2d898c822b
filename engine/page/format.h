// The numbers of file format 1 that every page shares: page header, child reference, page kinds.
// docs/file-format.md gives the same byte by byte.
//
// A page, whatever its kind, begins with 32 bytes:
//
//   offset  bytes  field
//        0      8  checksum: XXH3-64 of the rest of the page, seeded with the page number
//        8      6  page number
//       14      1  kind
//       15      1  level: 0 for a leaf, its children's level + 1 for an inner node
//       16      8  birth: the version that wrote the page
//       24      2  entry count
//       26      2  heap used: bytes between the lowest record and the end of the page
//       28      2  heap dead: bytes of the heap that no record uses any more
//       30      2  prefix length
//
// All integers are little-endian.
#ifndef ESPALIER_ENGINE_PAGE_FORMAT_H_
#define ESPALIER_ENGINE_PAGE_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "engine/base/types.h"

namespace espalier::page {

static_assert(std::endian::native == std::endian::little, "the file is mapped as it is");

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kMinPageBytes = 4096;
inline constexpr uint32_t kMaxPageBytes = 65536;

// Superblock, then two checkpoint slots, each in a 4 KiB block of its own and 16 KiB apart.
inline constexpr uint64_t kSuperblockOffset = 0;
inline constexpr uint64_t kSlotOffsets[2] = {16384, 32768};
inline constexpr uint64_t kFixedAreaBytes = 32768 + 4096;

constexpr bool IsValidPageSize(uint64_t bytes) {
  return bytes >= kMinPageBytes && bytes <= kMaxPageBytes && std::has_single_bit(bytes);
}

// The pages before this one hold the superblock and the slots.
constexpr uint64_t FirstDataPage(uint32_t page_bytes) {
  return (kFixedAreaBytes + page_bytes - 1) / page_bytes;
}
static_assert(FirstDataPage(4096) == 9 && FirstDataPage(8192) == 5 && FirstDataPage(16384) == 3 &&
              FirstDataPage(32768) == 2 && FirstDataPage(65536) == 1);

inline constexpr uint64_t kMaxPageNumber = (uint64_t{1} << 48) - 1;

// Of versions and checkpoint sequences: at a million a second, good for 140,000 years.
inline constexpr uint64_t kMaxVersion = (uint64_t{1} << 62) - 1;
// Nobody begins to write upon a higher one than this: what comes of it stays below the former.
inline constexpr uint64_t kMaxWrittenVersion = kMaxVersion - (uint64_t{1} << 48);

// No tree is higher: two children a node would already make 2^40 leaves.
inline constexpr uint32_t kMaxHeight = 40;

enum class Kind : uint8_t {
  kLeaf = 1,
  kInner = 2,
  kSpaceMapLeaf = 3,
  kSpaceMapInner = 4,
};

struct Header {
  uint64_t checksum;
  uint64_t identity;  // page number, kind and level, see MakeIdentity()
  uint64_t birth;
  uint16_t entry_count;
  uint16_t heap_used;
  uint16_t heap_dead;
  uint16_t prefix_length;

  static constexpr uint64_t MakeIdentity(PageNumber number, Kind kind, uint32_t level) {
    return number.value | static_cast<uint64_t>(kind) << 48 | static_cast<uint64_t>(level) << 56;
  }
  PageNumber number() const { return PageNumber(identity & kMaxPageNumber); }
  Kind kind() const { return static_cast<Kind>(identity >> 48 & 0xff); }
  uint32_t level() const { return static_cast<uint32_t>(identity >> 56); }
};

inline constexpr uint32_t kHeaderBytes = 32;
static_assert(sizeof(Header) == kHeaderBytes);
static_assert(offsetof(Header, identity) == 8);
static_assert(offsetof(Header, birth) == 16);
static_assert(offsetof(Header, entry_count) == 24);
static_assert(offsetof(Header, heap_used) == 26);
static_assert(offsetof(Header, heap_dead) == 28);
static_assert(offsetof(Header, prefix_length) == 30);

inline const Header& HeaderOf(const uint8_t* page) {
  return *reinterpret_cast<const Header*>(page);
}
inline Header& HeaderOf(uint8_t* page) { return *reinterpret_cast<Header*>(page); }

// Refers to a page: 48 bits of page number, and above them the low 16 bits of its birth version, by
// which a lost write is told from the page that should be there. Zero refers to nothing.
class ChildRef {
 public:
  constexpr ChildRef() = default;
  constexpr explicit ChildRef(uint64_t bits) : bits_(bits) {}
  static constexpr ChildRef Make(PageNumber number, Version birth) {
    return ChildRef(number.value | birth.value << 48);
  }

  constexpr PageNumber number() const { return PageNumber(bits_ & kMaxPageNumber); }
  constexpr uint16_t tag() const { return static_cast<uint16_t>(bits_ >> 48); }
  constexpr uint64_t bits() const { return bits_; }
  constexpr bool is_null() const { return bits_ == 0; }
  friend constexpr bool operator==(ChildRef, ChildRef) = default;

 private:
  uint64_t bits_ = 0;
};
static_assert(sizeof(ChildRef) == 8);

// The root of a tree, as the catalogue and the checkpoint slots record it.
struct TreeRoot {
  ChildRef ref;          // null: the tree is empty
  uint64_t entries = 0;  // in the whole tree
  uint32_t height = 0;   // levels; 0 when empty, 1 when the root is a leaf

  // Of bytes that were read: whether they can be the root of a tree at all.
  bool IsPlausible() const {
    return height < kMaxHeight && ref.is_null() == (height == 0) && (height > 0 || entries == 0);
  }

  friend bool operator==(const TreeRoot&, const TreeRoot&) = default;
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_FORMAT_H_
