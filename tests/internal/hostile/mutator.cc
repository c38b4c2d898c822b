#include "tests/internal/hostile/mutator.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/checksum.h"
#include "engine/base/endian.h"
#include "engine/page/checkpoint_slot.h"
#include "engine/page/checksum.h"
#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "engine/page/superblock.h"
#include "engine/page/validate.h"

namespace espalier::testing {
namespace {

using page::Header;
using page::HeaderOf;
using page::Kind;

uint64_t Below(std::mt19937_64& random, uint64_t limit) {
  return limit == 0 ? 0 : random() % limit;
}

}  // namespace

Mutator::Mutator(Bytes image) : image_(std::move(image)) {
  page_bytes_ = LoadLE32(image_.data() + 20);
  for (uint64_t number = page::FirstDataPage(page_bytes_); number < image_.size() / page_bytes_;
       ++number) {
    const uint8_t* const page = image_.data() + number * page_bytes_;
    if (!page::ChecksumMatches(page, page_bytes_, PageNumber(number))) continue;
    nodes_.push_back(number);
    refs_.push_back(page::ChildRef::Make(PageNumber(number), Version(HeaderOf(page).birth)).bits());
  }
}

void Mutator::Reseal(Bytes& image) const {
  StoreLE64(image.data(), Checksum(image.data() + 8, page::Superblock::kEncodedBytes - 8, 0));
  for (uint32_t i = 0; i < 2; ++i) {
    uint8_t* const slot = image.data() + page::kSlotOffsets[i];
    StoreLE64(slot, Checksum(slot + 8, page::CheckpointSlot::kEncodedBytes - 8, i));
  }
  for (const uint64_t number : nodes_) {
    if ((number + 1) * page_bytes_ > image.size()) break;
    page::SealPage(image.data() + number * page_bytes_, page_bytes_, PageNumber(number));
  }
}

Bytes Mutator::Mutate(std::mt19937_64& random) {
  Bytes image = image_;
  description_.clear();
  // Mostly one change: what it does is not hidden by what another one does.
  const uint64_t changes = random() % 2 == 0 ? 1 : 1 + random() % 4;
  for (uint64_t i = 0; i < changes; ++i) ChangeOnce(image, random);
  Reseal(image);
  if (random() % 32 == 0) {
    image.resize(Below(random, image.size()));
    Note(absl::StrCat("truncated to ", image.size()));
  }
  return image;
}

void Mutator::ChangeOnce(Bytes& image, std::mt19937_64& random) {
  const uint64_t choice = Below(random, 40);
  if (choice == 0) {
    ChangeSuperblock(image, random);
  } else if (choice < 6) {
    ChangeSlots(image, random);
  } else {
    ChangeNode(image, random);
  }
}

void Mutator::ChangeNode(Bytes& image, std::mt19937_64& random) {
  const uint64_t number = nodes_[Below(random, nodes_.size())];
  uint8_t* const page = image.data() + number * page_bytes_;
  Header& header = HeaderOf(page);
  const std::string where =
      absl::StrCat("page ", number, " (kind ", static_cast<int>(header.kind()), ") ");
  const bool is_leaf = header.kind() == Kind::kLeaf;
  const bool is_inner = header.kind() == Kind::kInner;
  // Fields can only be found where the page was not made senseless before.
  const bool sound =
      (is_leaf || is_inner) && page::FindStructuralFault(page, page_bytes_) == nullptr;
  switch (Below(random, 12)) {
    case 0: {  // a byte
      const uint64_t offset = 8 + Below(random, page_bytes_ - 8);
      page[offset] = static_cast<uint8_t>(random());
      return Note(absl::StrCat(where, "byte ", offset, " = ", static_cast<int>(page[offset])));
    }
    case 1: {  // a 16-bit field of the header
      const uint64_t offset = 24 + 2 * Below(random, 4);
      StoreLE16(page + offset, static_cast<uint16_t>(InterestingNumber(random)));
      return Note(absl::StrCat(where, "header at ", offset, " = ", LoadLE16(page + offset)));
    }
    case 2: {  // level, kind or birth
      switch (Below(random, 3)) {
        case 0:
          header.identity = Header::MakeIdentity(PageNumber(number), header.kind(),
                                                 static_cast<uint32_t>(Below(random, 45)));
          break;
        case 1:
          header.identity = Header::MakeIdentity(
              PageNumber(number), static_cast<Kind>(Below(random, 6)), header.level());
          break;
        default:
          header.birth = InterestingNumber(random);
      }
      return Note(absl::StrCat(where, "identity ", header.identity, " birth ", header.birth));
    }
    case 3: {  // the place of another page
      const uint64_t other = nodes_[Below(random, nodes_.size())];
      std::memcpy(page, image.data() + other * page_bytes_, page_bytes_);
      header.identity = Header::MakeIdentity(PageNumber(number), header.kind(), header.level());
      return Note(absl::StrCat(where, "copied from page ", other));
    }
    case 4: {  // 8 bytes anywhere
      const uint64_t offset =
          page::kHeaderBytes + Below(random, page_bytes_ - page::kHeaderBytes - 8);
      StoreLE64(page + offset, InterestingNumber(random));
      return Note(absl::StrCat(where, "8 bytes at ", offset, " = ", LoadLE64(page + offset)));
    }
    default:
      break;
  }
  if (is_leaf && sound && header.entry_count > 0) {
    const page::Leaf leaf(page);
    const uint32_t index = static_cast<uint32_t>(Below(random, leaf.size()));
    uint8_t* const slot = page + (leaf.slots() - page) + size_t{2} * index;
    uint8_t* const record = page + leaf.slot(index);
    switch (Below(random, 6)) {
      case 0:
        StoreLE16(slot, static_cast<uint16_t>(InterestingNumber(random)));
        return Note(absl::StrCat(where, "slot ", index, " = ", LoadLE16(slot)));
      case 1:
        StoreLE16(record, static_cast<uint16_t>(InterestingNumber(random)));
        return Note(absl::StrCat(where, "suffix length ", index, " = ", LoadLE16(record)));
      case 2:
        StoreLE16(record + 2, static_cast<uint16_t>(InterestingNumber(random)));
        return Note(absl::StrCat(where, "payload length ", index, " = ", LoadLE16(record + 2)));
      case 3: {
        StoreLE32(page + (leaf.heads() - page) + size_t{4} * index,
                  static_cast<uint32_t>(random()));
        return Note(absl::StrCat(where, "head ", index));
      }
      default: {  // what the payload says: a large value, a record of the catalogue, an LZ4 block
        for (uint32_t i = 0; i < leaf.size(); ++i) {
          const uint32_t at = (index + i) % leaf.size();
          const page::Payload payload = leaf.payload(at);
          if (payload.bytes.size() < 8) continue;
          if (!payload.large && !payload.compressed && i + 1 < leaf.size() && random() % 2 == 0) {
            continue;
          }
          uint8_t* const bytes =
              page + (reinterpret_cast<const uint8_t*>(payload.bytes.data()) - page);
          const uint64_t offset =
              Below(random, std::min<uint64_t>(payload.bytes.size() / 8, 5)) * 8;
          StoreLE64(bytes + offset, InterestingNumber(random));
          return Note(absl::StrCat(where, "payload ", at, " at ", offset, " = ",
                                   LoadLE64(bytes + offset), payload.large ? " (large)" : ""));
        }
        return;
      }
    }
  }
  if (is_inner && sound) {
    const page::Inner node(page);
    const uint32_t index = static_cast<uint32_t>(Below(random, node.size()));
    switch (Below(random, 4)) {
      case 0: {
        uint8_t* const slot = page + (node.slots() - page) + size_t{2} * index;
        StoreLE16(slot, static_cast<uint16_t>(InterestingNumber(random)));
        return Note(absl::StrCat(where, "slot ", index, " = ", LoadLE16(slot)));
      }
      case 1: {
        uint8_t* const count = page + (node.counts() - page) + size_t{8} * index;
        StoreLE64(count, InterestingNumber(random));
        return Note(absl::StrCat(where, "count ", index, " = ", LoadLE64(count)));
      }
      case 2: {
        StoreLE32(page + (node.heads() - page) + size_t{4} * index,
                  static_cast<uint32_t>(random()));
        return Note(absl::StrCat(where, "head ", index));
      }
      default: {
        uint8_t* const child = page + (node.children() - page) + size_t{8} * index;
        StoreLE64(child, refs_[Below(random, refs_.size())]);
        return Note(absl::StrCat(where, "child ", index, " = page ",
                                 page::ChildRef(LoadLE64(child)).number().value));
      }
    }
  }
  // The space map: clears and sets bits of pages that there are.
  const uint64_t bit = Below(random, image.size() / page_bytes_);
  page[page::kHeaderBytes + bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
  Note(absl::StrCat(where, "bit ", bit));
}

void Mutator::ChangeSlots(Bytes& image, std::mt19937_64& random) {
  struct Field {
    uint64_t offset;
    int bytes;
  };
  constexpr Field kFields[] = {{8, 8},   {16, 8},  {32, 8},  {40, 8},  {48, 8},  {56, 8},  {64, 8},
                               {72, 4},  {76, 4},  {80, 8},  {88, 4},  {96, 8},  {104, 8}, {112, 8},
                               {120, 8}, {128, 8}, {136, 8}, {144, 8}, {152, 4}, {156, 4}};
  constexpr uint64_t kFlags = 76;
  constexpr uint64_t kKeyspace = 128;
  const Field& field = kFields[Below(random, std::size(kFields))];
  const uint64_t number = InterestingNumber(random);
  // The closed database's slots are alike; both, or the other one could be the newer.
  for (const uint64_t slot : page::kSlotOffsets) {
    if (field.bytes == 8) {
      StoreLE64(image.data() + slot + field.offset, number);
    } else {
      StoreLE32(image.data() + slot + field.offset, static_cast<uint32_t>(number));
    }
    // Only so are they looked at: clean, with a keyspace.
    if (field.offset >= kKeyspace) StoreLE32(image.data() + slot + kFlags, 3);
  }
  Note(absl::StrCat("slots at ", field.offset, " = ", number));
}

void Mutator::ChangeSuperblock(Bytes& image, std::mt19937_64& random) {
  if (Below(random, 2) == 0) {
    StoreLE32(image.data() + 20, 4096u << Below(random, 6));
    return Note("page size");
  }
  const uint64_t offset = 8 + Below(random, page::Superblock::kEncodedBytes - 8);
  image[offset] = static_cast<uint8_t>(random());
  Note(absl::StrCat("superblock at ", offset));
}

void Mutator::Note(const std::string& what) {
  absl::StrAppend(&description_, description_.empty() ? "" : "; ", what);
}

uint64_t Mutator::InterestingNumber(std::mt19937_64& random) const {
  constexpr uint64_t kNumbers[] = {0,
                                   1,
                                   2,
                                   3,
                                   4,
                                   5,
                                   31,
                                   32,
                                   39,
                                   40,
                                   41,
                                   4064,
                                   4095,
                                   4096,
                                   32767,
                                   32768,
                                   65535,
                                   65536,
                                   131072,
                                   1u << 31,
                                   UINT32_MAX,
                                   uint64_t{1} << 47,
                                   uint64_t{1} << 48,
                                   uint64_t{1} << 63,
                                   UINT64_MAX - 1,
                                   UINT64_MAX};
  switch (Below(random, 4)) {
    case 0:
      return kNumbers[Below(random, std::size(kNumbers))];
    case 1:
      return Below(random, 64);
    case 2:
      return refs_[Below(random, refs_.size())];
    default:
      return random() >> Below(random, 64);
  }
}

}  // namespace espalier::testing
