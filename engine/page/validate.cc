#include "engine/page/validate.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"

namespace espalier::page {
namespace {

// Whether the keys at `index` - 1 and `index` ascend.
template <typename Node>
bool Ascends(const Node& node, uint32_t index, std::string_view tail, uint32_t suffix_length) {
  const uint32_t before = LoadLE32(node.heads() + size_t{4} * (index - 1));
  const uint32_t head = LoadLE32(node.heads() + size_t{4} * index);
  if (before != head) return before < head;
  // CompareSuffix takes the head's bytes from the suffix's length only.
  uint32_t before_length = node.SuffixLength(index - 1);
  std::string_view before_tail;
  if constexpr (std::is_same_v<Node, Leaf>) {
    before_tail = {reinterpret_cast<const char*>(node.record(index - 1)) + Leaf::kRecordHeaderBytes,
                   TailLength(before_length)};
  } else if (before_length > kHeadBytes) {
    before_tail = {reinterpret_cast<const char*>(node.page()) + node.slot(index - 1) +
                       Inner::kRecordHeaderBytes,
                   TailLength(before_length)};
  }
  return CompareTails(before_tail, before_length, tail, suffix_length) < 0;
}

// Tells records that lie on each other, so that a change of one would damage the other.
class HeapMap {
 public:
  explicit HeapMap(uint32_t page_bytes) : solid_begin_(page_bytes) {
    std::fill_n(claimed_.begin(), page_bytes / 64, 0);
  }

  // Notes a record, which lies within the page.
  void Add(uint32_t begin, uint32_t bytes) {
    const uint32_t end = begin + bytes;
    // As nodes are built: from the end of the page downwards, without gaps.
    if (end == solid_begin_) {
      solid_begin_ = begin;
      return;
    }
    highest_claimed_ = std::max(highest_claimed_, end);
    while (begin < end) {
      const uint32_t bits = std::min(end - begin, 64 - begin % 64);
      const uint64_t mask = (~uint64_t{0} >> (64 - bits)) << (begin % 64);
      claimed_twice_ |= claimed_[begin / 64] & mask;
      claimed_[begin / 64] |= mask;
      begin += bits;
    }
  }

  bool overlap() const { return claimed_twice_ != 0 || highest_claimed_ > solid_begin_; }

 private:
  uint32_t solid_begin_;  // from here on to the end of the page
  uint32_t highest_claimed_ = 0;
  uint64_t claimed_twice_ = 0;
  std::array<uint64_t, kMaxPageBytes / 64> claimed_;  // the others: a bit a byte
};

// A head's bytes past a short suffix's end are zero.
bool PaddingIsZero(uint32_t head, uint32_t suffix_length) {
  return suffix_length >= kHeadBytes || (head << (8 * suffix_length)) == 0;
}

const char* FindLeafFault(const uint8_t* page, uint32_t page_bytes) {
  const Header& header = HeaderOf(page);
  if (header.level() != 0) return "a leaf has level 0";
  const Leaf leaf(page);
  const uint32_t count = header.entry_count;
  const uint32_t arrays_end = kHeaderBytes + header.prefix_length + Leaf::kEntryArrayBytes * count;
  if (arrays_end + header.heap_used > page_bytes) return "arrays and heap overlap";
  const uint32_t heap_begin = page_bytes - header.heap_used;
  const size_t max_key_bytes = MaxKeyBytes(page_bytes);
  HeapMap heap(page_bytes);
  uint64_t live_bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t offset = leaf.slot(i);
    if (offset < heap_begin || offset + Leaf::kRecordHeaderBytes > page_bytes) {
      return "a slot points outside of the heap";
    }
    const uint32_t suffix_length = leaf.SuffixLength(i);
    const Payload payload = leaf.payload(i);
    const uint32_t record_bytes =
        LeafRecordBytes(suffix_length, static_cast<uint32_t>(payload.bytes.size()));
    if (offset + record_bytes > page_bytes) return "a record reaches past the page";
    heap.Add(offset, record_bytes);
    const uint32_t key_bytes = header.prefix_length + suffix_length;
    if (key_bytes == 0) return "a key is empty";
    if (key_bytes > max_key_bytes) return "a key is too long";
    if (!FitsInline(key_bytes, payload.bytes.size(), page_bytes)) return "an entry is too large";
    live_bytes += record_bytes;
    if (payload.large && (payload.compressed || payload.bytes.size() != LargeRef::kEncodedBytes)) {
      return "a large value's reference has the wrong size";
    }
    if (payload.compressed && payload.bytes.size() < 4) return "a compressed value is too short";
    const uint32_t head = LoadLE32(leaf.heads() + size_t{4} * i);
    if (!PaddingIsZero(head, suffix_length)) return "a short key's head is not padded with zeros";
    const std::string_view tail{
        reinterpret_cast<const char*>(page) + offset + Leaf::kRecordHeaderBytes,
        TailLength(suffix_length)};
    if (i > 0 && !Ascends(leaf, i, tail, suffix_length)) return "the keys do not ascend";
  }
  if (heap.overlap()) return "two records overlap";
  if (live_bytes + header.heap_dead != header.heap_used) return "the heap's sizes do not add up";
  return nullptr;
}

const char* FindInnerFault(const uint8_t* page, uint32_t page_bytes) {
  const Header& header = HeaderOf(page);
  if (header.level() == 0 || header.level() >= kMaxHeight) return "an inner node's level is wrong";
  const Inner node(page);
  const uint32_t count = header.entry_count;
  if (count == 0) return "an inner node has no children";
  const uint32_t arrays_end = kHeaderBytes + header.prefix_length + Inner::kEntryArrayBytes * count;
  if (arrays_end + header.heap_used > page_bytes) return "arrays and heap overlap";
  const uint32_t heap_begin = page_bytes - header.heap_used;
  const size_t max_key_bytes = MaxKeyBytes(page_bytes);
  HeapMap heap(page_bytes);
  uint64_t live_bytes = 0;
  if (node.slot(0) != 0) return "the first separator is not empty";
  for (uint32_t i = 0; i < count; ++i) {
    if (node.child(i).is_null()) return "a child reference is null";
    if (i == 0) continue;
    const uint32_t slot = node.slot(i);
    uint32_t suffix_length = slot;
    std::string_view tail;
    if (slot > kHeadBytes) {
      if (slot < heap_begin || slot + Inner::kRecordHeaderBytes > page_bytes) {
        return "a slot points outside of the heap";
      }
      suffix_length = LoadLE16(page + slot);
      if (suffix_length <= kHeadBytes) return "a short separator has a record";
      if (slot + InnerRecordBytes(suffix_length) > page_bytes) {
        return "a separator reaches past the page";
      }
      heap.Add(slot, InnerRecordBytes(suffix_length));
      tail = {reinterpret_cast<const char*>(page) + slot + Inner::kRecordHeaderBytes,
              TailLength(suffix_length)};
      live_bytes += InnerRecordBytes(suffix_length);
    }
    const uint32_t head = LoadLE32(node.heads() + size_t{4} * i);
    if (!PaddingIsZero(head, suffix_length)) return "a short key's head is not padded with zeros";
    if (header.prefix_length + suffix_length == 0) return "a separator is empty";
    if (header.prefix_length + suffix_length > max_key_bytes) return "a separator is too long";
    if (i > 1 && !Ascends(node, i, tail, suffix_length)) return "the separators do not ascend";
  }
  if (heap.overlap()) return "two records overlap";
  if (live_bytes + header.heap_dead != header.heap_used) return "the heap's sizes do not add up";
  return nullptr;
}

}  // namespace

const char* FindStructuralFault(const uint8_t* page, uint32_t page_bytes) {
  switch (HeaderOf(page).kind()) {
    case Kind::kLeaf:
      return FindLeafFault(page, page_bytes);
    case Kind::kInner:
      return FindInnerFault(page, page_bytes);
    case Kind::kSpaceMapLeaf:
    case Kind::kSpaceMapInner:
      return nullptr;
  }
  return "unknown kind of page";
}

}  // namespace espalier::page
