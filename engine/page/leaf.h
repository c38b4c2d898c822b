// A leaf: the entries of a tree, in key order, in a slotted page.
//
//   header | prefix | heads: 4 bytes each | slots: 2 bytes each | free | heap of records
//
// A slot is the offset of its record in the page. A record:
//
//   bytes  field
//       2  length of the key's suffix (15 bits) | bit 15: the value is LZ4-compressed
//       2  length of the payload (15 bits)      | bit 15: the payload is a LargeRef
//       -  tail: the suffix after its first four bytes
//       -  payload: the value; or, compressed, its length (4 bytes) and the LZ4 block; or a
//       LargeRef
//
// The prefix is common to all keys of the leaf; it is chosen when the leaf is built, and an
// insertion that does not share it rebuilds the leaf.
#ifndef ESPALIER_ENGINE_PAGE_LEAF_H_
#define ESPALIER_ENGINE_PAGE_LEAF_H_

#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/base/endian.h"
#include "engine/page/format.h"
#include "engine/page/keys.h"
#include "engine/page/large_ref.h"

namespace espalier::page {

// What a leaf keeps for a key.
struct Payload {
  std::string_view bytes;
  bool compressed = false;  // only of inline payloads; a LargeRef says it itself
  bool large = false;       // bytes are an encoded LargeRef
};

class Leaf {
 public:
  static constexpr uint32_t kRecordHeaderBytes = 4;
  static constexpr uint32_t kEntryArrayBytes = 4 + 2;  // head and slot
  static constexpr uint16_t kFlagBit = 0x8000;
  static constexpr uint16_t kLengthMask = 0x7fff;

  explicit Leaf(const uint8_t* page) : page_(page) {}

  const uint8_t* page() const { return page_; }
  uint32_t size() const { return HeaderOf(page_).entry_count; }
  uint32_t prefix_length() const { return HeaderOf(page_).prefix_length; }
  const uint8_t* prefix_bytes() const { return page_ + kHeaderBytes; }
  std::string_view prefix() const {
    return {reinterpret_cast<const char*>(prefix_bytes()), prefix_length()};
  }
  const uint8_t* heads() const { return page_ + kHeaderBytes + prefix_length(); }
  const uint8_t* slots() const { return heads() + size_t{4} * size(); }
  uint32_t slot(uint32_t index) const { return LoadLE16(slots() + size_t{2} * index); }
  const uint8_t* record(uint32_t index) const { return page_ + slot(index); }

  Position Find(std::string_view key) const { return FindKey(*this, key, 0, size()); }

  uint32_t SuffixLength(uint32_t index) const { return LoadLE16(record(index)) & kLengthMask; }
  StoredKey key(uint32_t index) const {
    const uint8_t* const at = record(index);
    return {prefix(), LoadLE32(heads() + size_t{4} * index), at + kRecordHeaderBytes,
            LoadLE16(at) & uint32_t{kLengthMask}};
  }

  Payload payload(uint32_t index) const {
    const uint8_t* const at = record(index);
    const uint32_t key_field = LoadLE16(at);
    const uint32_t payload_field = LoadLE16(at + 2);
    const uint8_t* const bytes = at + kRecordHeaderBytes + TailLength(key_field & kLengthMask);
    return {{reinterpret_cast<const char*>(bytes), payload_field & kLengthMask},
            (key_field & kFlagBit) != 0,
            (payload_field & kFlagBit) != 0};
  }

  int CompareSuffix(uint32_t index, std::string_view suffix) const {
    const uint8_t* const at = record(index);
    const uint32_t suffix_length = LoadLE16(at) & kLengthMask;
    const std::string_view tail{reinterpret_cast<const char*>(at + kRecordHeaderBytes),
                                TailLength(suffix_length)};
    return CompareTails(tail, suffix_length, TailOf(suffix), static_cast<uint32_t>(suffix.size()));
  }

  // Bytes of the page that entries, prefix and header use.
  uint32_t UsedBytes() const {
    const Header& header = HeaderOf(page_);
    return kHeaderBytes + header.prefix_length + kEntryArrayBytes * header.entry_count +
           header.heap_used - header.heap_dead;
  }

 private:
  const uint8_t* page_;
};

// The bytes that a record takes in the heap.
constexpr uint32_t LeafRecordBytes(uint32_t suffix_length, uint32_t payload_length) {
  return Leaf::kRecordHeaderBytes + TailLength(suffix_length) + payload_length;
}

// The longest key: two entries with such keys and references to large values fit into a leaf, and
// two such separators into an inner node.
constexpr size_t MaxKeyBytes(uint32_t page_bytes) {
  return (page_bytes - kHeaderBytes) / 2 - Leaf::kEntryArrayBytes - Leaf::kRecordHeaderBytes -
         LargeRef::kEncodedBytes - kHeadBytes;
}

// Whether a payload of this size may stand in a leaf: two such entries fit.
constexpr bool FitsInline(size_t key_bytes, size_t payload_bytes, uint32_t page_bytes) {
  return Leaf::kEntryArrayBytes + Leaf::kRecordHeaderBytes + key_bytes + payload_bytes <=
         (page_bytes - kHeaderBytes) / 2;
}

// Changes a leaf in place. The calls that may not fit answer false and leave the leaf as it was;
// the caller then rebuilds or splits it. `index` is at most size().
class LeafEditor {
 public:
  LeafEditor(uint8_t* page, uint32_t page_bytes) : page_(page), page_bytes_(page_bytes) {}

  // `key` sorts before the entry at `index` and after the one before it.
  bool Insert(uint32_t index, std::string_view key, const Payload& payload);
  // A payload that is not larger than the present one always fits.
  bool Replace(uint32_t index, const Payload& payload);
  void Remove(uint32_t index);

  // The payload bytes of an entry, to be written in place.
  uint8_t* payload_bytes(uint32_t index);

 private:
  uint8_t* page_;
  uint32_t page_bytes_;
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_LEAF_H_
