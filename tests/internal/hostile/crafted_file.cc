#include "tests/internal/hostile/crafted_file.h"

#include <algorithm>
#include <cstring>

#include "engine/base/endian.h"
#include "engine/page/checksum.h"
#include "engine/page/page_source.h"
#include "engine/page/superblock.h"

namespace espalier::testing {

using page::ChildRef;
using page::Header;
using page::HeaderOf;
using page::Kind;

CraftedFile::CraftedFile() : image_(page::FirstDataPage(kPageBytes) * kPageBytes) {
  slot_.sequence = 10;
  slot_.version = kVersion;
  slot_.clean = true;
  slot_.next_keyspace_id = 1;
}

PageNumber CraftedFile::AddPages(uint64_t count) {
  const PageNumber first(image_.size() / kPageBytes);
  image_.resize(image_.size() + count * kPageBytes);
  return first;
}

ChildRef CraftedFile::AddNode(Kind kind, uint32_t level) {
  const PageNumber number = AddPages(1);
  Header& header = HeaderOf(bytes(number));
  header.identity = Header::MakeIdentity(number, kind, level);
  header.birth = kVersion.value;
  nodes_.push_back(number);
  return ChildRef::Make(number, kVersion);
}

ChildRef CraftedFile::AddLeaf(absl::Span<const page::LeafEntry> entries) {
  const ChildRef ref = AddNode(Kind::kLeaf, 0);
  page::BuildLeaf(entries, page(ref), kPageBytes);
  return ref;
}

ChildRef CraftedFile::AddInner(uint32_t level, absl::Span<const page::InnerEntry> entries) {
  const ChildRef ref = AddNode(Kind::kInner, level);
  page::BuildInner(entries, page(ref), kPageBytes);
  return ref;
}

page::LargeRef CraftedFile::AddRun(const std::string& value,
                                   const std::function<void(uint8_t*)>& break_it) {
  page::LargeRef ref;
  ref.value_bytes = value.size();
  ref.stored_bytes = value.size();
  ref.birth = kVersion;
  ref.first_page = AddPages(ref.RunPages(kPageBytes));
  std::memcpy(bytes(ref.first_page), value.data(), value.size());
  if (break_it) break_it(bytes(ref.first_page));
  page::SealLarge(ref, bytes(ref.first_page));
  return ref;
}

uint8_t* CraftedFile::page(ChildRef ref) { return bytes(ref.number()); }

void CraftedFile::SetDefaultKeyspace(const page::TreeRoot& root) { keyspace_ = root; }

void CraftedFile::MarkFree(PageNumber page) { free_.push_back(page); }

Bytes CraftedFile::Image() {
  // Its record in the catalogue: root, entries, height, compression, and an empty name.
  std::string record(24, '\0');
  uint8_t* const at = reinterpret_cast<uint8_t*>(record.data());
  StoreLE64(at, keyspace_.ref.bits());
  StoreLE64(at + 8, keyspace_.entries);
  StoreLE32(at + 16, keyspace_.height);
  const std::string key("k\0\0\0\0\0\0\0\0", 9);
  const page::LeafEntry entry{key, {record, false, false}};
  if (slot_.catalogue.height == 0) {
    slot_.catalogue = {AddLeaf(absl::MakeConstSpan(&entry, 1)), 1, 1};
  }

  const ChildRef map = AddNode(Kind::kSpaceMapLeaf, 0);
  const uint64_t pages = image_.size() / kPageBytes;
  for (uint64_t number = page::FirstDataPage(kPageBytes); number < pages; ++number) {
    if (std::find(free_.begin(), free_.end(), PageNumber(number)) != free_.end()) continue;
    page(map)[page::kHeaderBytes + number / 8] |= static_cast<uint8_t>(1 << number % 8);
  }
  if (slot_.space_map_height == 0) {
    slot_.space_map = map;
    slot_.space_map_height = 1;
  }
  if (slot_.page_count == 0) slot_.page_count = pages;

  for (const PageNumber number : nodes_) page::SealPage(bytes(number), kPageBytes, number);
  const page::Superblock superblock{kPageBytes, {1, 2, 3}};
  const auto encoded = superblock.Encode();
  std::copy(encoded.begin(), encoded.end(), image_.begin());
  for (uint32_t i = 0; i < 2; ++i) {
    page::CheckpointSlot slot = slot_;
    slot.sequence += i;
    const auto slot_bytes = slot.Encode(superblock.uuid, i);
    std::copy(slot_bytes.begin(), slot_bytes.end(),
              image_.begin() + static_cast<ptrdiff_t>(page::kSlotOffsets[i]));
  }
  return image_;
}

}  // namespace espalier::testing
