#include "engine/page/leaf.h"

#include <cstring>

namespace espalier::page {
namespace {

void WriteRecord(uint8_t* at, std::string_view suffix, const Payload& payload) {
  StoreLE16(at, static_cast<uint16_t>(suffix.size() | (payload.compressed ? Leaf::kFlagBit : 0)));
  StoreLE16(at + 2,
            static_cast<uint16_t>(payload.bytes.size() | (payload.large ? Leaf::kFlagBit : 0)));
  const std::string_view tail = TailOf(suffix);
  std::memcpy(at + Leaf::kRecordHeaderBytes, tail.data(), tail.size());
  if (!payload.bytes.empty()) {
    std::memcpy(at + Leaf::kRecordHeaderBytes + tail.size(), payload.bytes.data(),
                payload.bytes.size());
  }
}

uint32_t RecordBytes(const uint8_t* record) {
  return LeafRecordBytes(LoadLE16(record) & Leaf::kLengthMask,
                         LoadLE16(record + 2) & Leaf::kLengthMask);
}

}  // namespace

bool LeafEditor::Insert(uint32_t index, std::string_view key, const Payload& payload) {
  Header& header = HeaderOf(page_);
  const Leaf leaf(page_);
  const uint32_t count = header.entry_count;
  if (count == 0 || index > count) return false;  // an empty leaf has no prefix yet: build it
  if (ComparePrefix(key, leaf.prefix_bytes(), header.prefix_length) != 0) return false;
  const std::string_view suffix = key.substr(header.prefix_length);
  const uint32_t record_bytes = LeafRecordBytes(static_cast<uint32_t>(suffix.size()),
                                                static_cast<uint32_t>(payload.bytes.size()));
  const uint32_t arrays_end =
      kHeaderBytes + header.prefix_length + Leaf::kEntryArrayBytes * (count + 1);
  if (arrays_end + header.heap_used + record_bytes > page_bytes_) return false;

  const uint32_t offset = page_bytes_ - header.heap_used - record_bytes;
  WriteRecord(page_ + offset, suffix, payload);

  // Open one head and one slot: the slots from `index` on move by both, those before it by a head.
  uint8_t* const heads = page_ + kHeaderBytes + header.prefix_length;
  uint8_t* const slots = heads + size_t{4} * count;
  if (index < count) {
    std::memmove(slots + 4 + size_t{2} * (index + 1), slots + size_t{2} * index,
                 size_t{2} * (count - index));
  }
  std::memmove(slots + 4, slots, size_t{2} * index);
  if (index < count) {
    std::memmove(heads + size_t{4} * (index + 1), heads + size_t{4} * index,
                 size_t{4} * (count - index));
  }
  StoreLE32(heads + size_t{4} * index, HeadOf(suffix));
  StoreLE16(slots + 4 + size_t{2} * index, static_cast<uint16_t>(offset));
  header.entry_count = static_cast<uint16_t>(count + 1);
  header.heap_used = static_cast<uint16_t>(header.heap_used + record_bytes);
  return true;
}

bool LeafEditor::Replace(uint32_t index, const Payload& payload) {
  Header& header = HeaderOf(page_);
  const Leaf leaf(page_);
  if (index >= header.entry_count) return false;
  uint8_t* const record = page_ + leaf.slot(index);
  const uint32_t suffix_length = LoadLE16(record) & Leaf::kLengthMask;
  const uint32_t old_bytes = RecordBytes(record);
  const uint32_t new_bytes =
      LeafRecordBytes(suffix_length, static_cast<uint32_t>(payload.bytes.size()));
  uint8_t* target = record;
  if (new_bytes > old_bytes) {
    const uint32_t arrays_end =
        kHeaderBytes + header.prefix_length + Leaf::kEntryArrayBytes * uint32_t{header.entry_count};
    if (arrays_end + header.heap_used + new_bytes > page_bytes_) return false;
    const uint32_t offset = page_bytes_ - header.heap_used - new_bytes;
    target = page_ + offset;
    std::memcpy(target, record, Leaf::kRecordHeaderBytes + TailLength(suffix_length));
    StoreLE16(page_ + (leaf.slots() - page_) + size_t{2} * index, static_cast<uint16_t>(offset));
    header.heap_used = static_cast<uint16_t>(header.heap_used + new_bytes);
    header.heap_dead = static_cast<uint16_t>(header.heap_dead + old_bytes);
  } else {
    header.heap_dead = static_cast<uint16_t>(header.heap_dead + old_bytes - new_bytes);
  }
  StoreLE16(target,
            static_cast<uint16_t>(suffix_length | (payload.compressed ? Leaf::kFlagBit : 0)));
  StoreLE16(target + 2,
            static_cast<uint16_t>(payload.bytes.size() | (payload.large ? Leaf::kFlagBit : 0)));
  if (!payload.bytes.empty()) {
    std::memmove(target + Leaf::kRecordHeaderBytes + TailLength(suffix_length),
                 payload.bytes.data(), payload.bytes.size());
  }
  return true;
}

void LeafEditor::Remove(uint32_t index) {
  Header& header = HeaderOf(page_);
  const Leaf leaf(page_);
  const uint32_t count = header.entry_count;
  if (index >= count) return;
  header.heap_dead =
      static_cast<uint16_t>(header.heap_dead + RecordBytes(page_ + leaf.slot(index)));
  uint8_t* const heads = page_ + kHeaderBytes + header.prefix_length;
  uint8_t* const slots = heads + size_t{4} * count;
  std::memmove(heads + size_t{4} * index, heads + size_t{4} * (index + 1),
               size_t{4} * (count - index - 1));
  std::memmove(slots - 4, slots, size_t{2} * index);
  std::memmove(slots - 4 + size_t{2} * index, slots + size_t{2} * (index + 1),
               size_t{2} * (count - index - 1));
  header.entry_count = static_cast<uint16_t>(count - 1);
}

uint8_t* LeafEditor::payload_bytes(uint32_t index) {
  uint8_t* const record = page_ + Leaf(page_).slot(index);
  return record + Leaf::kRecordHeaderBytes + TailLength(LoadLE16(record) & Leaf::kLengthMask);
}

}  // namespace espalier::page
