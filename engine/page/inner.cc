#include "engine/page/inner.h"

#include <array>
#include <cstring>

namespace espalier::page {
namespace {

// The widths of the arrays, in the order in which they stand in the page.
constexpr std::array<uint32_t, 4> kArrayWidths = {4, 8, 8, 2};
static_assert(kArrayWidths[0] + kArrayWidths[1] + kArrayWidths[2] + kArrayWidths[3] ==
              Inner::kEntryArrayBytes);

}  // namespace

void InnerEditor::SetChild(uint32_t index, ChildRef child) {
  const Inner node(page_);
  if (index >= node.size()) return;
  StoreLE64(page_ + (node.children() - page_) + size_t{8} * index, child.bits());
}

void InnerEditor::SetCount(uint32_t index, uint64_t count) {
  const Inner node(page_);
  if (index >= node.size()) return;
  StoreLE64(page_ + (node.counts() - page_) + size_t{8} * index, count);
}

bool InnerEditor::Insert(uint32_t index, std::string_view separator, ChildRef child,
                         uint64_t count) {
  Header& header = HeaderOf(page_);
  const Inner node(page_);
  const uint32_t entries = header.entry_count;
  if (index == 0 || index > entries) return false;
  if (entries < 2) return false;  // no separator yet, so no prefix: build it
  if (ComparePrefix(separator, node.prefix_bytes(), header.prefix_length) != 0) return false;
  const std::string_view suffix = separator.substr(header.prefix_length);
  const uint32_t record_bytes = InnerRecordBytes(static_cast<uint32_t>(suffix.size()));
  const uint32_t arrays_end =
      kHeaderBytes + header.prefix_length + Inner::kEntryArrayBytes * (entries + 1);
  if (arrays_end + header.heap_used + record_bytes > page_bytes_) return false;

  // Open a place in each array, the last array first: everything from the place on moves by the
  // widths of the arrays up to and including its own, what is before it by those before its own.
  uint8_t* const arrays = page_ + kHeaderBytes + header.prefix_length;
  for (size_t array = kArrayWidths.size(); array-- > 0;) {
    uint32_t widths_before = 0;
    for (size_t i = 0; i < array; ++i) widths_before += kArrayWidths[i];
    const uint32_t width = kArrayWidths[array];
    uint8_t* const from = arrays + size_t{widths_before} * entries;
    uint8_t* const to = from + widths_before;
    std::memmove(to + size_t{width} * (index + 1), from + size_t{width} * index,
                 size_t{width} * (entries - index));
    std::memmove(to, from, size_t{width} * index);
  }
  header.entry_count = static_cast<uint16_t>(entries + 1);

  uint32_t slot_value = static_cast<uint32_t>(suffix.size());
  if (record_bytes > 0) {
    slot_value = page_bytes_ - header.heap_used - record_bytes;
    StoreLE16(page_ + slot_value, static_cast<uint16_t>(suffix.size()));
    const std::string_view tail = TailOf(suffix);
    std::memcpy(page_ + slot_value + Inner::kRecordHeaderBytes, tail.data(), tail.size());
    header.heap_used = static_cast<uint16_t>(header.heap_used + record_bytes);
  }
  StoreLE32(arrays + size_t{4} * index, HeadOf(suffix));
  SetChild(index, child);
  SetCount(index, count);
  StoreLE16(page_ + (node.slots() - page_) + size_t{2} * index, static_cast<uint16_t>(slot_value));
  return true;
}

void InnerEditor::Remove(uint32_t index) {
  Header& header = HeaderOf(page_);
  const Inner node(page_);
  const uint32_t entries = header.entry_count;
  if (index >= entries) return;
  if (entries > 1) {
    // The first child never has a separator: when it goes, so does that of the child which is first
    // then.
    const uint32_t separator = index == 0 ? 1 : index;
    header.heap_dead =
        static_cast<uint16_t>(header.heap_dead + InnerRecordBytes(node.SuffixLength(separator)));
    const std::array<uint32_t, 4> removed = {separator, index, index, separator};
    uint8_t* const arrays = page_ + kHeaderBytes + header.prefix_length;
    uint32_t widths_before = 0;
    for (size_t array = 0; array < kArrayWidths.size(); ++array) {
      const uint32_t width = kArrayWidths[array];
      uint8_t* const from = arrays + size_t{widths_before} * entries;
      uint8_t* const to = from - widths_before;
      std::memmove(to, from, size_t{width} * removed[array]);
      std::memmove(to + size_t{width} * removed[array], from + size_t{width} * (removed[array] + 1),
                   size_t{width} * (entries - removed[array] - 1));
      widths_before += width;
    }
  }
  header.entry_count = static_cast<uint16_t>(entries - 1);
}

}  // namespace espalier::page
