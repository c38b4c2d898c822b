#include "engine/space/space_map.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/base/endian.h"
#include "engine/base/status_macros.h"

namespace espalier::space {
namespace {

using page::ChildRef;
using page::Header;
using page::Kind;

// A file with more pages than so many leaves cover did not shrink to fewer: a damaged map must not
// cost memory.
constexpr uint64_t kMostEmptyLeaves = uint64_t{1} << 20;

Kind KindOfLevel(uint32_t level) { return level == 0 ? Kind::kSpaceMapLeaf : Kind::kSpaceMapInner; }

}  // namespace

SpaceMap::SpaceMap(uint32_t page_bytes) : page_bytes_(page_bytes) { SizeLevels(1); }

void SpaceMap::SizeLevels(uint64_t page_count) {
  uint64_t nodes = (page_count + bits_per_leaf() - 1) / bits_per_leaf();
  for (size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    // Levels only grow: the map of a shrunken file ends in empty nodes.
    if (levels_[level].size() < nodes) levels_[level].resize(nodes, Node{{}, Version(0), true});
    nodes = levels_[level].size();
    if (nodes == 1 && level + 1 == levels_.size()) return;
    nodes = (nodes + refs_per_inner() - 1) / refs_per_inner();
  }
}

void SpaceMap::MarkChanged(uint64_t leaf) {
  uint64_t index = leaf;
  for (std::vector<Node>& level : levels_) {
    level[index].changed = true;
    index /= refs_per_inner();
  }
}

void SpaceMap::MarkAllChanged() {
  for (std::vector<Node>& level : levels_) {
    for (Node& node : level) node.changed = true;
  }
}

ChildRef SpaceMap::root() const { return levels_.back()[0].ref; }

std::vector<PageNumber> SpaceMap::Pages() const {
  std::vector<PageNumber> pages;
  for (const std::vector<Node>& level : levels_) {
    for (const Node& node : level) {
      if (!node.ref.is_null()) pages.push_back(node.ref.number());
    }
  }
  return pages;
}

absl::StatusOr<Bitmap> SpaceMap::Load(const page::PageReader& reader, ChildRef root,
                                      uint32_t height, uint64_t page_count) {
  levels_.clear();
  SizeLevels(std::max<uint64_t>(1, page_count));
  Bitmap pages(page_count);
  if (height == 0) return pages;  // a database that was just created
  // The map of a file that was larger once is higher than this file needs.
  while (levels_.size() < height) {
    uint64_t leaves = 1;  // as many as the levels below the root can have
    for (size_t level = 1; level < levels_.size(); ++level) leaves *= refs_per_inner();
    if (leaves > kMostEmptyLeaves) break;
    SizeLevels(leaves * bits_per_leaf() + 1);
  }
  if (levels_.size() != height) {
    return reader.source().DataLoss(
        absl::StrCat("a space map of height ", height, " for ", page_count, " pages"));
  }
  ESPALIER_RETURN_IF_ERROR(LoadNode(reader, root, height - 1, 0, pages));
  for (std::vector<Node>& level : levels_) {
    for (Node& node : level) node.changed = false;
  }
  return pages;
}

absl::Status SpaceMap::LoadNode(const page::PageReader& reader, ChildRef ref, uint32_t level,
                                uint64_t index, Bitmap& pages) {
  const uint8_t* const node = reader.FetchKind(ref, KindOfLevel(level), level);
  if (node == nullptr) return reader.Explain(ref, KindOfLevel(level), level);
  const auto past_the_end = [&] {
    return reader.source().DataLoss(
        absl::StrCat("page ", ref.number().value, ": the space map names pages past the end"));
  };
  if (index >= levels_[level].size()) return past_the_end();
  levels_[level][index] = {ref, Version(page::HeaderOf(node).birth), false};
  if (level > 0) {
    for (uint64_t i = 0; i < refs_per_inner(); ++i) {
      const ChildRef child(LoadLE64(node + page::kHeaderBytes + 8 * i));
      if (child.is_null()) continue;
      // The map of a file that was larger once ends in empty nodes.
      const uint64_t child_index = index * refs_per_inner() + i;
      if (child_index >= levels_[level - 1].size()) {
        uint64_t first_leaf = child_index;
        for (uint32_t below = 1; below < level; ++below) first_leaf *= refs_per_inner();
        if (first_leaf >= kMostEmptyLeaves) return past_the_end();
        SizeLevels(first_leaf * bits_per_leaf() + 1);
      }
      ESPALIER_RETURN_IF_ERROR(LoadNode(reader, child, level - 1, child_index, pages));
    }
    return absl::OkStatus();
  }
  const uint64_t first_page = index * bits_per_leaf();
  for (uint64_t byte = 0; byte < bits_per_leaf() / 8; byte += 8) {
    const uint64_t bits = LoadLE64(node + page::kHeaderBytes + byte);
    if (bits == 0) continue;
    const uint64_t base = first_page + byte * 8;
    if (base + static_cast<uint64_t>(std::bit_width(bits)) > pages.size()) return past_the_end();
    for (uint64_t rest = bits; rest != 0; rest &= rest - 1) {
      pages.Set(base + static_cast<uint64_t>(std::countr_zero(rest)));
    }
  }
  return absl::OkStatus();
}

absl::Status SpaceMap::Rewrite(PageAllocator& allocator, Version version) {
  std::vector<std::vector<Node>> before = levels_;
  absl::Status status = RewriteChanged(allocator, version);
  if (!status.ok()) {
    // What changed is forgotten, so everything counts as changed.
    levels_ = std::move(before);
    MarkAllChanged();
  }
  return status;
}

absl::Status SpaceMap::RewriteChanged(PageAllocator& allocator, Version version) {
  // Giving a changed node a new page changes the bits of the new page and the old one, and with
  // them perhaps further nodes: go on until nothing new changes.
  std::vector<std::vector<uint8_t*>> fresh;
  while (true) {
    SizeLevels(std::max<uint64_t>(1, allocator.page_count()));
    for (const uint64_t leaf : allocator.TakeChangedParts(bits_per_leaf())) {
      if (leaf < levels_[0].size()) MarkChanged(leaf);
    }
    fresh.resize(levels_.size());
    bool done = true;
    for (size_t level = 0; level < levels_.size(); ++level) {
      fresh[level].resize(levels_[level].size());
      for (uint64_t i = 0; i < levels_[level].size(); ++i) {
        Node& node = levels_[level][i];
        if (!node.changed || fresh[level][i] != nullptr) continue;
        done = false;
        if (!node.ref.is_null()) allocator.Free(node.ref.number(), node.birth);
        ESPALIER_ASSIGN_OR_RETURN(const PageNumber number,
                                  allocator.AllocatePage(Reserve::kMayUse));
        const page::PageSource& source = allocator.source();
        uint8_t* const page = source.write_page(number);
        Header& header = page::HeaderOf(page);
        header = Header{};
        header.identity = Header::MakeIdentity(number, KindOfLevel(static_cast<uint32_t>(level)),
                                               static_cast<uint32_t>(level));
        header.birth = version.value;
        source.verified().EnsureSet(number.value);
        fresh[level][i] = page;
        node = {ChildRef::Make(number, version), version, true};
      }
    }
    if (done) break;
  }
  for (size_t level = 0; level < levels_.size(); ++level) {
    for (uint64_t i = 0; i < levels_[level].size(); ++i) {
      if (fresh[level][i] == nullptr) continue;
      if (level == 0) {
        WriteLeaf(allocator.reachable(), i, fresh[level][i]);
      } else {
        WriteInner(static_cast<uint32_t>(level), i, fresh[level][i]);
      }
      levels_[level][i].changed = false;
    }
  }
  return absl::OkStatus();
}

void SpaceMap::WriteLeaf(const Bitmap& reachable, uint64_t index, uint8_t* page) const {
  const uint64_t first_word = index * bits_per_leaf() / 64;
  const auto words = reachable.words();
  static_assert((page::kMinPageBytes - page::kHeaderBytes) % 8 == 0);
  for (uint64_t i = 0; i < bits_per_leaf() / 64; ++i) {
    const uint64_t word = first_word + i < words.size() ? words[first_word + i] : 0;
    StoreLE64(page + page::kHeaderBytes + 8 * i, word);
  }
}

void SpaceMap::WriteInner(uint32_t level, uint64_t index, uint8_t* page) const {
  const std::vector<Node>& children = levels_[level - 1];
  for (uint64_t i = 0; i < refs_per_inner(); ++i) {
    const uint64_t child = index * refs_per_inner() + i;
    StoreLE64(page + page::kHeaderBytes + 8 * i,
              child < children.size() ? children[child].ref.bits() : 0);
  }
}

}  // namespace espalier::space
