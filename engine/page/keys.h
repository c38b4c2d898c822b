// How the keys of a node are found: the node's prefix is compared once, then the first four bytes
// of each remaining suffix, its head, are searched in a dense array that touches few cache lines;
// only equal heads lead to the records. (Heads: "B-Trees Are Back", SIGMOD 2025; prefix truncation:
// Bayer and Unterauer, 1977.)
//
// A head is the number that the four bytes make in big-endian order, short suffixes padded with
// zeros, so that comparing numbers compares bytes. What follows the head in a suffix is its tail; a
// record keeps the tail only, since the head is kept already.
#ifndef ESPALIER_ENGINE_PAGE_KEYS_H_
#define ESPALIER_ENGINE_PAGE_KEYS_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "engine/base/endian.h"
#include "engine/page/arena.h"

namespace espalier::page {

inline constexpr uint32_t kHeadBytes = 4;

inline uint32_t HeadOf(std::string_view suffix) {
  if (suffix.size() >= kHeadBytes) return LoadBE32(reinterpret_cast<const uint8_t*>(suffix.data()));
  uint32_t head = 0;
  for (size_t i = 0; i < suffix.size(); ++i) {
    head |= static_cast<uint32_t>(static_cast<uint8_t>(suffix[i])) << (24 - 8 * i);
  }
  return head;
}

inline std::string_view TailOf(std::string_view suffix) {
  return suffix.substr(std::min<size_t>(kHeadBytes, suffix.size()));
}

constexpr uint32_t TailLength(uint32_t suffix_length) {
  return suffix_length > kHeadBytes ? suffix_length - kHeadBytes : 0;
}

inline uint32_t CommonPrefixLength(std::string_view a, std::string_view b) {
  const size_t limit = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < limit && a[i] == b[i]) ++i;
  return static_cast<uint32_t>(i);
}

// The shortest key s with left < s <= right, for left < right.
inline std::string_view ShortestSeparator(std::string_view left, std::string_view right) {
  return right.substr(0, CommonPrefixLength(left, right) + 1);
}

// Index of the first of `count` heads at `heads` that is not less than `head`. Branch-free.
inline uint32_t LowerBoundHeads(const uint8_t* heads, uint32_t count, uint32_t head) {
  if (count == 0) return 0;
  uint32_t first = 0;
  while (count > 1) {
    const uint32_t half = count / 2;
    // Arithmetic instead of a branch, which would be mispredicted half of the time.
    const bool less = LoadLE32(heads + 4 * size_t{first + half - 1}) < head;
    first += half & (0u - static_cast<uint32_t>(less));
    count -= half;
  }
  return first + (LoadLE32(heads + 4 * size_t{first}) < head ? 1 : 0);
}

// <0, 0, >0 as `key` is before every key that starts with `prefix`, starts with it, or is after
// them.
inline int ComparePrefix(std::string_view key, const uint8_t* prefix, uint32_t length) {
  if (length == 0) return 0;
  if (key.empty()) return -1;
  const int order = std::memcmp(key.data(), prefix, std::min<size_t>(key.size(), length));
  if (order != 0) return order;
  return key.size() < length ? -1 : 0;
}

// Order of two suffixes with equal heads, given by tail and whole length.
inline int CompareTails(std::string_view a, uint32_t a_length, std::string_view b,
                        uint32_t b_length) {
  const size_t shared = std::min(a.size(), b.size());
  const int order = shared == 0 ? 0 : std::memcmp(a.data(), b.data(), shared);
  if (order != 0) return order;
  return a_length < b_length ? -1 : a_length > b_length ? 1 : 0;
}

// A key as a node keeps it, in parts. What says how long it is was read once, so that a copy stays
// within its buffer even where the node changes meanwhile: a fault turns it to zeros, or a damaged
// file lets a writer use the page for something else.
class StoredKey {
 public:
  StoredKey() = default;
  StoredKey(std::string_view prefix, uint32_t head, const uint8_t* tail, uint32_t suffix_length)
      : prefix_(prefix), tail_(tail), suffix_length_(suffix_length), head_(head) {}

  size_t size() const { return prefix_.size() + suffix_length_; }

  void CopyTo(std::string& out) const {
    out.resize(BytesToCopy());
    Copy(out.data());
    out.resize(size());
  }
  std::string_view CopyTo(Arena& arena) const {
    char* const out = arena.Allocate(BytesToCopy());
    Copy(out);
    return {out, size()};
  }

 private:
  // The head is copied whole, also that of a short suffix.
  size_t BytesToCopy() const { return size() + kHeadBytes; }
  void Copy(char* out) const {
    if (!prefix_.empty()) std::memcpy(out, prefix_.data(), prefix_.size());
    out += prefix_.size();
    StoreBE32(reinterpret_cast<uint8_t*>(out), head_);
    const uint32_t tail_bytes = TailLength(suffix_length_);
    if (tail_bytes > 0) std::memcpy(out + kHeadBytes, tail_, tail_bytes);
  }

  std::string_view prefix_;
  const uint8_t* tail_ = nullptr;
  uint32_t suffix_length_ = 0;
  uint32_t head_ = 0;
};

struct Position {
  uint32_t index;  // of the first key that is not less than the one looked for
  bool exact;      // whether it is equal
};

// Finds `key` among the keys first..count-1 (first <= count) of `node`, which offers
// prefix_bytes(), prefix_length(), heads(), and CompareSuffix(index, suffix): the order of the key
// at `index`, whose head equals the suffix's, against it.
template <typename Node>
inline Position FindKey(const Node& node, std::string_view key, uint32_t first, uint32_t count) {
  const uint32_t prefix_length = node.prefix_length();
  const int prefix_order = ComparePrefix(key, node.prefix_bytes(), prefix_length);
  if (prefix_order != 0) [[unlikely]]
    return {prefix_order < 0 ? first : count, false};
  const std::string_view suffix = key.substr(prefix_length);
  const uint32_t head = HeadOf(suffix);
  const uint8_t* heads = node.heads();
  uint32_t low = first + LowerBoundHeads(heads + 4 * size_t{first}, count - first, head);
  if (low == count || LoadLE32(heads + 4 * size_t{low}) != head) return {low, false};
  uint32_t high = low + 1;
  if (high < count && LoadLE32(heads + 4 * size_t{high}) == head) {
    high = head == UINT32_MAX
               ? count
               : high + LowerBoundHeads(heads + 4 * size_t{high}, count - high, head + 1);
  }
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const int order = node.CompareSuffix(middle, suffix);
    if (order == 0) return {middle, true};
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {low, false};
}

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_KEYS_H_
