#include "engine/page/node_builder.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace espalier::page {
namespace {

std::string_view KeyOf(const LeafEntry& entry) { return entry.key; }
std::string_view KeyOf(const InnerEntry& entry) { return entry.separator; }

// The first entry of an inner node stores no separator.
template <typename EntryType>
constexpr size_t kFirstStored = std::is_same_v<EntryType, LeafEntry> ? 0 : 1;

// The length of the prefix with which the node is smallest; of several, the longest. A byte more is
// stored once, and spares a byte of each key that has something behind its head still; so it goes
// as far as the keys share and as one of them has. With any shorter prefix the node is no smaller:
// whatever was taken out of a page goes back into it, less some of it as well.
template <typename EntryType>
uint32_t PrefixOf(absl::Span<const EntryType> entries) {
  if (entries.size() <= kFirstStored<EntryType>) return 0;
  const absl::Span<const EntryType> stored = entries.subspan(kFirstStored<EntryType>);
  size_t longest_key = 0;
  for (const EntryType& entry : stored) longest_key = std::max(longest_key, KeyOf(entry).size());
  // The list is sorted, so what the first and the last key share all of them share.
  return std::min(CommonPrefixLength(KeyOf(stored.front()), KeyOf(stored.back())),
                  TailLength(static_cast<uint32_t>(longest_key)));
}

// What the page of a damaged file holds need not be sorted; a key then may be shorter than the
// prefix.
std::string_view SuffixOf(std::string_view key, uint32_t prefix_length) {
  return key.substr(std::min<size_t>(prefix_length, key.size()));
}

uint32_t EntryBytes(const LeafEntry& entry, uint32_t prefix_length) {
  return Leaf::kEntryArrayBytes +
         LeafRecordBytes(static_cast<uint32_t>(SuffixOf(entry.key, prefix_length).size()),
                         static_cast<uint32_t>(entry.payload.bytes.size()));
}

uint32_t EntryBytes(const InnerEntry& entry, uint32_t prefix_length) {
  return Inner::kEntryArrayBytes +
         InnerRecordBytes(static_cast<uint32_t>(SuffixOf(entry.separator, prefix_length).size()));
}

template <typename EntryType>
uint32_t NodeBytes(absl::Span<const EntryType> entries) {
  const uint32_t prefix_length = PrefixOf(entries);
  uint32_t bytes = kHeaderBytes + prefix_length;
  for (size_t i = 0; i < entries.size(); ++i) {
    bytes += i < kFirstStored<EntryType> ? Inner::kEntryArrayBytes
                                         : EntryBytes(entries[i], prefix_length);
  }
  return bytes;
}

uint32_t SeparatorLength(const LeafEntry& left, const LeafEntry& right) {
  return CommonPrefixLength(left.key, right.key) + 1;
}
uint32_t SeparatorLength(const InnerEntry&, const InnerEntry& right) {
  return static_cast<uint32_t>(right.separator.size());
}

template <typename EntryType>
uint32_t ChooseCut(absl::Span<const EntryType> entries, uint32_t page_bytes) {
  const uint32_t count = static_cast<uint32_t>(entries.size());
  const uint32_t prefix_length = PrefixOf(entries);
  uint64_t total = 0;
  for (const EntryType& entry : entries) total += EntryBytes(entry, prefix_length);
  // The even cut, and around it a window in which a shorter separator is worth the unevenness.
  uint64_t left = 0;
  uint32_t even = 0;
  while (even < count - 1 && left + EntryBytes(entries[even], prefix_length) / 2 < total / 2) {
    left += EntryBytes(entries[even], prefix_length);
    ++even;
  }
  even = std::clamp<uint32_t>(even, 1, count - 1);
  const auto fits = [&](uint32_t cut) {
    return NodeBytes(entries.first(cut)) <= page_bytes &&
           NodeBytes(entries.subspan(cut)) <= page_bytes;
  };
  const uint32_t window = count / 16;
  uint32_t best = 0;
  uint32_t best_length = UINT32_MAX;
  for (uint32_t distance = 0; distance <= window; ++distance) {
    for (const uint32_t cut : {even - std::min(distance, even), even + distance}) {
      if (cut == 0 || cut >= count) continue;
      const uint32_t length = SeparatorLength(entries[cut - 1], entries[cut]);
      if (length < best_length && fits(cut)) {
        best = cut;
        best_length = length;
      }
    }
  }
  // Entries of very unequal size, or one that breaks a long prefix: go outward until both parts
  // fit.
  for (uint32_t distance = window + 1; best == 0 && distance < count; ++distance) {
    for (const uint32_t cut : {even - std::min(distance, even), even + distance}) {
      if (cut > 0 && cut < count && best == 0 && fits(cut)) best = cut;
    }
  }
  return best;
}

}  // namespace

void TakeApart(const Leaf& leaf, bool copy_payloads, Arena& arena,
               std::vector<LeafEntry>& entries) {
  const uint32_t count = leaf.size();
  entries.reserve(entries.size() + count + 1);
  for (uint32_t i = 0; i < count; ++i) {
    LeafEntry entry{leaf.key(i).CopyTo(arena), leaf.payload(i)};
    if (copy_payloads) entry.payload.bytes = arena.Copy(entry.payload.bytes);
    entries.push_back(entry);
  }
}

void TakeApart(const Inner& node, Arena& arena, std::vector<InnerEntry>& entries) {
  const uint32_t count = node.size();
  entries.reserve(entries.size() + count + 1);
  for (uint32_t i = 0; i < count; ++i) {
    entries.push_back({node.separator(i).CopyTo(arena), node.child(i), node.count(i)});
  }
}

uint32_t LeafBytes(absl::Span<const LeafEntry> entries) { return NodeBytes(entries); }
uint32_t InnerBytes(absl::Span<const InnerEntry> entries) { return NodeBytes(entries); }

void BuildLeaf(absl::Span<const LeafEntry> entries, uint8_t* page, uint32_t page_bytes,
               uint32_t longest_prefix) {
  const uint32_t count = static_cast<uint32_t>(entries.size());
  const uint32_t prefix_length = std::min(PrefixOf(entries), longest_prefix);
  if (prefix_length > 0) {
    std::memcpy(page + kHeaderBytes, entries.front().key.data(), prefix_length);
  }
  uint8_t* const heads = page + kHeaderBytes + prefix_length;
  uint8_t* const slots = heads + size_t{4} * count;
  uint32_t offset = page_bytes;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view suffix = SuffixOf(entries[i].key, prefix_length);
    const std::string_view tail = TailOf(suffix);
    const Payload& payload = entries[i].payload;
    offset -= LeafRecordBytes(static_cast<uint32_t>(suffix.size()),
                              static_cast<uint32_t>(payload.bytes.size()));
    uint8_t* const record = page + offset;
    StoreLE16(record,
              static_cast<uint16_t>(suffix.size() | (payload.compressed ? Leaf::kFlagBit : 0)));
    StoreLE16(record + 2,
              static_cast<uint16_t>(payload.bytes.size() | (payload.large ? Leaf::kFlagBit : 0)));
    if (!tail.empty()) std::memcpy(record + Leaf::kRecordHeaderBytes, tail.data(), tail.size());
    if (!payload.bytes.empty()) {
      std::memcpy(record + Leaf::kRecordHeaderBytes + tail.size(), payload.bytes.data(),
                  payload.bytes.size());
    }
    StoreLE32(heads + size_t{4} * i, HeadOf(suffix));
    StoreLE16(slots + size_t{2} * i, static_cast<uint16_t>(offset));
  }
  assert(slots + size_t{2} * count <= page + offset);
  Header& header = HeaderOf(page);
  header.entry_count = static_cast<uint16_t>(count);
  header.heap_used = static_cast<uint16_t>(page_bytes - offset);
  header.heap_dead = 0;
  header.prefix_length = static_cast<uint16_t>(prefix_length);
}

void BuildInner(absl::Span<const InnerEntry> entries, uint8_t* page, uint32_t page_bytes) {
  const uint32_t count = static_cast<uint32_t>(entries.size());
  const uint32_t prefix_length = PrefixOf(entries);
  if (prefix_length > 0) {
    std::memcpy(page + kHeaderBytes, entries.back().separator.data(), prefix_length);
  }
  uint8_t* const heads = page + kHeaderBytes + prefix_length;
  uint8_t* const children = heads + size_t{4} * count;
  uint8_t* const counts = heads + size_t{12} * count;
  uint8_t* const slots = heads + size_t{20} * count;
  uint32_t offset = page_bytes;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view suffix =
        i == 0 ? std::string_view() : SuffixOf(entries[i].separator, prefix_length);
    const uint32_t record_bytes = InnerRecordBytes(static_cast<uint32_t>(suffix.size()));
    uint32_t slot_value = static_cast<uint32_t>(suffix.size());
    if (record_bytes > 0) {
      offset -= record_bytes;
      slot_value = offset;
      StoreLE16(page + offset, static_cast<uint16_t>(suffix.size()));
      const std::string_view tail = TailOf(suffix);
      std::memcpy(page + offset + Inner::kRecordHeaderBytes, tail.data(), tail.size());
    }
    StoreLE32(heads + size_t{4} * i, HeadOf(suffix));
    StoreLE64(children + size_t{8} * i, entries[i].child.bits());
    StoreLE64(counts + size_t{8} * i, entries[i].count);
    StoreLE16(slots + size_t{2} * i, static_cast<uint16_t>(slot_value));
  }
  assert(slots + size_t{2} * count <= page + offset);
  Header& header = HeaderOf(page);
  header.entry_count = static_cast<uint16_t>(count);
  header.heap_used = static_cast<uint16_t>(page_bytes - offset);
  header.heap_dead = 0;
  header.prefix_length = static_cast<uint16_t>(prefix_length);
}

uint32_t ChooseLeafCut(absl::Span<const LeafEntry> entries, uint32_t page_bytes) {
  return ChooseCut(entries, page_bytes);
}
uint32_t ChooseInnerCut(absl::Span<const InnerEntry> entries, uint32_t page_bytes) {
  return ChooseCut(entries, page_bytes);
}

}  // namespace espalier::page
