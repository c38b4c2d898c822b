// An inner node: for each child the smallest key that may be below it, a reference, and the number
// of entries below it, which makes the tree a counted one.
//
//   header | prefix | heads: 4 bytes each | child references: 8 each | counts: 8 each |
//   slots: 2 bytes each | free | heap of separator records
//
// The separator of the first child is "minus infinity" and stored as an empty one. A separator
// whose suffix has at most four bytes lives in its head alone, and its slot holds the suffix's
// length, which cannot be mistaken for an offset. Otherwise the slot is the offset of a record:
//
//   bytes  field
//       2  length of the suffix
//       -  tail: the suffix after its first four bytes
//
// The prefix is common to all separators but the first.
#ifndef ESPALIER_ENGINE_PAGE_INNER_H_
#define ESPALIER_ENGINE_PAGE_INNER_H_

#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/base/endian.h"
#include "engine/page/format.h"
#include "engine/page/keys.h"

namespace espalier::page {

class Inner {
 public:
  static constexpr uint32_t kEntryArrayBytes = 4 + 8 + 8 + 2;  // head, reference, count, slot
  static constexpr uint32_t kRecordHeaderBytes = 2;

  explicit Inner(const uint8_t* page) : page_(page) {}

  const uint8_t* page() const { return page_; }
  uint32_t size() const { return HeaderOf(page_).entry_count; }
  uint32_t level() const { return HeaderOf(page_).level(); }
  uint32_t prefix_length() const { return HeaderOf(page_).prefix_length; }
  const uint8_t* prefix_bytes() const { return page_ + kHeaderBytes; }
  const uint8_t* heads() const { return page_ + kHeaderBytes + prefix_length(); }
  const uint8_t* children() const { return heads() + size_t{4} * size(); }
  const uint8_t* counts() const { return heads() + size_t{12} * size(); }
  const uint8_t* slots() const { return heads() + size_t{20} * size(); }

  ChildRef child(uint32_t index) const {
    return ChildRef(LoadLE64(children() + size_t{8} * index));
  }
  uint64_t count(uint32_t index) const { return LoadLE64(counts() + size_t{8} * index); }
  uint32_t slot(uint32_t index) const { return LoadLE16(slots() + size_t{2} * index); }

  // The index of the child below which `key` belongs.
  uint32_t FindChild(std::string_view key) const {
    const Position position = FindKey(*this, key, 1, std::max(size(), 1u));
    return position.exact ? position.index : position.index - 1;
  }

  uint32_t SuffixLength(uint32_t index) const {
    const uint32_t slot_value = slot(index);
    return slot_value <= kHeadBytes ? slot_value : LoadLE16(page_ + slot_value);
  }

  // Of child `index`; empty for the first.
  StoredKey separator(uint32_t index) const {
    if (index == 0) return {};
    const uint32_t slot_value = slot(index);
    const std::string_view prefix{reinterpret_cast<const char*>(prefix_bytes()), prefix_length()};
    const uint32_t head = LoadLE32(heads() + size_t{4} * index);
    if (slot_value <= kHeadBytes) return {prefix, head, nullptr, slot_value};
    const uint8_t* const at = page_ + slot_value;
    return {prefix, head, at + kRecordHeaderBytes, LoadLE16(at)};
  }

  int CompareSuffix(uint32_t index, std::string_view suffix) const {
    const uint32_t slot_value = slot(index);
    uint32_t suffix_length = slot_value;
    std::string_view tail;
    if (slot_value > kHeadBytes) {
      suffix_length = LoadLE16(page_ + slot_value);
      tail = {reinterpret_cast<const char*>(page_ + slot_value + kRecordHeaderBytes),
              TailLength(suffix_length)};
    }
    return CompareTails(tail, suffix_length, TailOf(suffix), static_cast<uint32_t>(suffix.size()));
  }

  uint32_t UsedBytes() const {
    const Header& header = HeaderOf(page_);
    return kHeaderBytes + header.prefix_length + kEntryArrayBytes * header.entry_count +
           header.heap_used - header.heap_dead;
  }

 private:
  const uint8_t* page_;
};

// The bytes that a separator takes in the heap.
constexpr uint32_t InnerRecordBytes(uint32_t suffix_length) {
  return suffix_length <= kHeadBytes ? 0 : Inner::kRecordHeaderBytes + TailLength(suffix_length);
}

// Changes an inner node in place.
class InnerEditor {
 public:
  InnerEditor(uint8_t* page, uint32_t page_bytes) : page_(page), page_bytes_(page_bytes) {}

  void SetChild(uint32_t index, ChildRef child);
  void SetCount(uint32_t index, uint64_t count);
  void AddToCount(uint32_t index, int64_t delta) {
    const Inner node(page_);
    if (index >= node.size()) return;
    uint8_t* const count = page_ + (node.counts() - page_) + size_t{8} * index;
    StoreLE64(count, LoadLE64(count) + static_cast<uint64_t>(delta));
  }

  // Inserts a child with its separator at `index`, 1 to size(). False, and no change, when it does
  // not fit or does not share the prefix: the caller then rebuilds or splits the node.
  bool Insert(uint32_t index, std::string_view separator, ChildRef child, uint64_t count);

  // Removes the child at `index`; its neighbour to the left, or for the first child the one to the
  // right, takes over its range of keys. A node that loses its last child is only fit to be freed.
  void Remove(uint32_t index);

 private:
  uint8_t* page_;
  uint32_t page_bytes_;
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_INNER_H_
