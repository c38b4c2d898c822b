#include "engine/space/space_map.h"

#include <algorithm>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/endian.h"
#include "engine/base/status_macros.h"

namespace espalier::space {
namespace {

using page::ChildRef;
using page::Header;
using page::Kind;

Kind KindOfLevel(uint32_t level) { return level == 0 ? Kind::kSpaceMapLeaf : Kind::kSpaceMapInner; }

}  // namespace

SpaceMap::SpaceMap(uint32_t page_bytes) : page_bytes_(page_bytes) { SizeLevels(1); }

// As many nodes on each level as `page_count` pages need; never fewer levels than before.
void SpaceMap::SizeLevels(uint64_t page_count) {
  uint64_t nodes = std::max<uint64_t>(1, (page_count + bits_per_leaf() - 1) / bits_per_leaf());
  for (size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    std::vector<Node>& list = levels_[level];
    if (list.size() > nodes) {
      for (size_t i = nodes; i < list.size(); ++i) {
        if (!list[i].ref.is_null()) past_the_end_.push_back(list[i]);
      }
      // Their parents forget them.
      for (size_t above = level + 1; above < levels_.size(); ++above) {
        for (Node& node : levels_[above]) node.changed = true;
      }
    }
    list.resize(nodes, Node{{}, Version(0), true});
    if (nodes == 1 && level + 1 >= levels_.size()) return;
    nodes = (nodes + refs_per_inner() - 1) / refs_per_inner();
  }
}

absl::Status SpaceMap::FreeNode(PageAllocator& allocator, const Node& node) {
  const PageNumber number = node.ref.number();
  if (!allocator.reachable().Test(number.value)) {
    return allocator.source().DataLoss(absl::StrCat(
        "page ", number.value, ": part of the space map, and of something else that is gone"));
  }
  allocator.Free(number, node.birth);
  return absl::OkStatus();
}

absl::Status SpaceMap::FreeNodesPastTheEnd(PageAllocator& allocator) {
  for (const Node& node : past_the_end_) ESPALIER_RETURN_IF_ERROR(FreeNode(allocator, node));
  past_the_end_.clear();
  return absl::OkStatus();
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
  for (const Node& node : past_the_end_) pages.push_back(node.ref.number());
  return pages;
}

absl::StatusOr<Bitmap> SpaceMap::Load(const page::PageReader& reader, ChildRef root,
                                      uint32_t height, uint64_t page_count) {
  levels_.clear();
  past_the_end_.clear();
  SizeLevels(page_count);
  Bitmap pages(page_count);
  if (height == 0) return pages;  // a database that was just created
  if (height < levels_.size() || height > kMaxHeight) {
    return reader.source().DataLoss(
        absl::StrCat("a space map of height ", height, " for ", page_count, " pages"));
  }
  // The map of a file that was larger once is higher than this one needs.
  levels_.resize(height, std::vector<Node>(1));
  Bitmap visited(reader.page_limit());
  ESPALIER_RETURN_IF_ERROR(LoadNode(reader, root, height - 1, 0, visited, pages));
  for (std::vector<Node>& level : levels_) {
    for (Node& node : level) node.changed = false;
  }
  // Who frees the map's pages later relies on their being in use.
  for (const PageNumber number : Pages()) {
    if (!pages.Test(number.value)) {
      return reader.source().DataLoss(
          absl::StrCat("page ", number.value, ": part of the space map, but not marked so"));
    }
  }
  return pages;
}

absl::Status SpaceMap::LoadNode(const page::PageReader& reader, ChildRef ref, uint32_t level,
                                uint64_t index, Bitmap& visited, Bitmap& pages) {
  const uint8_t* const node = reader.FetchKind(ref, KindOfLevel(level), level);
  if (node == nullptr) return reader.Explain(ref, KindOfLevel(level), level);
  const auto past_the_end = [&] {
    return reader.source().DataLoss(
        absl::StrCat("page ", ref.number().value, ": the space map names pages past the end"));
  };
  if (visited.Test(ref.number().value)) {
    return reader.source().DataLoss(
        absl::StrCat("page ", ref.number().value, ": twice in the space map"));
  }
  visited.Set(ref.number().value);
  const Node loaded{ref, Version(page::HeaderOf(node).birth), false};
  if (index < levels_[level].size()) {
    levels_[level][index] = loaded;
  } else {
    past_the_end_.push_back(loaded);
  }
  if (level > 0) {
    for (uint64_t i = 0; i < refs_per_inner(); ++i) {
      const ChildRef child(LoadLE64(node + page::kHeaderBytes + 8 * i));
      if (child.is_null()) continue;
      if (index > page::kMaxPageNumber) return past_the_end();
      ESPALIER_RETURN_IF_ERROR(
          LoadNode(reader, child, level - 1, index * refs_per_inner() + i, visited, pages));
    }
    return absl::OkStatus();
  }
  // A map can be so high that the numbers of the last pages do not fit into 64 bits.
  const bool is_past_the_end = index > pages.size() / bits_per_leaf();
  const uint64_t first_page = is_past_the_end ? 0 : index * bits_per_leaf();
  for (uint64_t byte = 0; byte < bits_per_leaf() / 8; byte += 8) {
    const uint64_t bits = LoadLE64(node + page::kHeaderBytes + byte);
    if (bits == 0) continue;
    if (is_past_the_end) return past_the_end();
    const uint64_t base = first_page + byte * 8;
    if (base + static_cast<uint64_t>(std::bit_width(bits)) > pages.size()) return past_the_end();
    for (uint64_t rest = bits; rest != 0; rest &= rest - 1) {
      pages.Set(base + static_cast<uint64_t>(std::countr_zero(rest)));
    }
  }
  return absl::OkStatus();
}

absl::Status SpaceMap::Rewrite(PageAllocator& allocator, Version version,
                               absl::FunctionRef<absl::Status()> finish) {
  std::vector<std::vector<Node>> before = levels_;
  std::vector<Node> before_past_the_end = past_the_end_;
  // Also if memory runs out. What changed is forgotten, so everything counts as changed.
  absl::Cleanup restore = [&] {
    levels_ = std::move(before);
    past_the_end_ = std::move(before_past_the_end);
    MarkAllChanged();
  };
  ESPALIER_RETURN_IF_ERROR(RewriteChanged(allocator, version));
  ESPALIER_RETURN_IF_ERROR(finish());
  std::move(restore).Cancel();
  return absl::OkStatus();
}

absl::Status SpaceMap::RewriteChanged(PageAllocator& allocator, Version version) {
  // Giving a changed node a new page changes the bits of the new page and the old one, and with
  // them perhaps further nodes: go on until nothing new changes.
  std::vector<std::vector<uint8_t*>> fresh;
  while (true) {
    SizeLevels(allocator.reachable_end());
    ESPALIER_RETURN_IF_ERROR(FreeNodesPastTheEnd(allocator));
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
        if (!node.ref.is_null()) ESPALIER_RETURN_IF_ERROR(FreeNode(allocator, node));
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
