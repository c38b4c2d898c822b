// Compaction of a tree, a node's children at a time: packs them into fewer pages, and moves pages
// from the end of the file to its front. The allocator decides where pages go.
#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/status_macros.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"
#include "engine/tree/tree_writer.h"

namespace espalier::tree {
namespace {

using page::ChildRef;
using page::Inner;
using page::InnerEditor;
using page::InnerEntry;
using page::Leaf;
using page::LeafEditor;
using page::LeafEntry;

uint32_t NodeBytes(absl::Span<const LeafEntry> entries) { return page::LeafBytes(entries); }
uint32_t NodeBytes(absl::Span<const InnerEntry> entries) { return page::InnerBytes(entries); }

void BuildNode(absl::Span<const LeafEntry> entries, uint8_t* page, uint32_t page_bytes) {
  page::BuildLeaf(entries, page, page_bytes);
}
void BuildNode(absl::Span<const InnerEntry> entries, uint8_t* page, uint32_t page_bytes) {
  page::BuildInner(entries, page, page_bytes);
}

// How many of the entries, from the first on, fit into a page.
template <typename EntryType>
size_t FirstThatFit(absl::Span<const EntryType> entries, uint32_t page_bytes) {
  // Between what surely fits and what surely does not, by halves.
  size_t fits = 1;
  size_t limit = 2;
  while (limit <= entries.size() && NodeBytes(entries.first(limit)) <= page_bytes) {
    fits = limit;
    limit *= 2;
  }
  limit = std::min(limit, entries.size() + 1);
  while (fits + 1 < limit) {
    const size_t middle = fits + (limit - fits) / 2;
    if (NodeBytes(entries.first(middle)) <= page_bytes) {
      fits = middle;
    } else {
      limit = middle;
    }
  }
  return fits;
}

std::string_view SeparatorBefore(absl::Span<const LeafEntry> entries, size_t index) {
  return page::ShortestSeparator(entries[index - 1].key, entries[index].key);
}
std::string_view SeparatorBefore(absl::Span<const InnerEntry> entries, size_t index) {
  return entries[index].separator;
}

uint64_t EntriesIn(absl::Span<const LeafEntry> entries) { return entries.size(); }
uint64_t EntriesIn(absl::Span<const InnerEntry> entries) {
  uint64_t sum = 0;
  for (const InnerEntry& entry : entries) sum += entry.count;
  return sum;
}

// Packs the entries into fresh nodes and lists them.
template <typename EntryType>
absl::StatusOr<std::vector<InnerEntry>> Pack(PageWriter& pages, uint32_t level,
                                             absl::Span<const EntryType> entries) {
  std::vector<InnerEntry> nodes;
  for (size_t first = 0; first < entries.size();) {
    const absl::Span<const EntryType> rest = entries.subspan(first);
    const size_t count = FirstThatFit(rest, pages.page_bytes());
    ESPALIER_ASSIGN_OR_RETURN(const WritablePage node, pages.NewNode(level));
    BuildNode(rest.first(count), node.bytes, pages.page_bytes());
    nodes.push_back({first == 0 ? std::string_view() : SeparatorBefore(entries, first), node.ref,
                     EntriesIn(rest.first(count))});
    first += count;
  }
  return nodes;
}

}  // namespace

absl::StatusOr<std::optional<std::string>> TreeWriter::Tidy(std::string_view from,
                                                            const TidyOptions& options) {
  at_end_ = false;
  if (root_->height == 0) return std::nullopt;
  ESPALIER_RETURN_IF_ERROR(Descend(from));
  const uint32_t parent_level = options.level + 1;
  // The key at which the next node of the parent's level begins: the separator after the path, at
  // the lowest level above that has one.
  std::optional<std::string> next;
  for (uint32_t level = parent_level + 1; level < root_->height && !next.has_value(); ++level) {
    const Inner inner(path_[level].page);
    const uint32_t index = path_[level].index + 1;
    if (index >= inner.size()) continue;
    inner.separator(index).CopyTo(next.emplace());
  }
  if (parent_level >= root_->height) {
    // The root alone, whose place the transaction's own rules keep: it moves if it must.
    if (options.level < root_->height && path_[top()].ref.number().value >= options.page_limit) {
      ESPALIER_RETURN_IF_ERROR(MakePathWritable());
    }
    if (root_->height == 1) ESPALIER_RETURN_IF_ERROR(MoveLargeValues(options.page_limit));
    return std::nullopt;
  }
  bool repacked = false;
  if (options.repack) {
    ESPALIER_ASSIGN_OR_RETURN(repacked, Repack(options.level));
  }
  // What was repacked lies where the allocator wanted it.
  if (!repacked || options.level == 0) ESPALIER_RETURN_IF_ERROR(MoveChildren(options));
  if (repacked) ESPALIER_RETURN_IF_ERROR(ShrinkRoot());
  return next;
}

// False if the children of the node at `level` + 1 cannot be packed into fewer pages.
absl::StatusOr<bool> TreeWriter::Repack(uint32_t level) {
  const uint32_t page_bytes = pages_->page_bytes();
  const Inner parent(path_[level + 1].page);
  const uint32_t count = parent.size();
  if (count < 2) return false;
  uint64_t used = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* const child = pages_->Fetch(parent.child(i), level);
    if (child == nullptr) return pages_->Explain(parent.child(i), level);
    used += level == 0 ? Leaf(child).UsedBytes() : Inner(child).UsedBytes();
  }
  // Less than one page in sixteen is not worth the copying.
  if (used / page_bytes + 1 + count / 16 >= count) return false;

  arena_->Reset();
  leaf_entries_.clear();
  inner_entries_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* const child = pages_->Fetch(parent.child(i), level);
    if (child == nullptr) return pages_->Explain(parent.child(i), level);
    if (level == 0) {
      page::TakeApart(Leaf(child), /*copy_payloads=*/true, *arena_, leaf_entries_);
      continue;
    }
    const size_t first = inner_entries_.size();
    page::TakeApart(Inner(child), *arena_, inner_entries_);
    inner_entries_[first].separator = parent.separator(i).CopyTo(*arena_);
  }
  std::vector<ChildRef> old_children(count);
  for (uint32_t i = 0; i < count; ++i) old_children[i] = parent.child(i);
  // The children themselves must not move: the entries refer to what is below them.
  ESPALIER_RETURN_IF_ERROR(MakePathWritable(level + 1));

  std::vector<InnerEntry> packed;
  if (level == 0) {
    ESPALIER_ASSIGN_OR_RETURN(packed, Pack<LeafEntry>(*pages_, level, leaf_entries_));
  } else {
    ESPALIER_ASSIGN_OR_RETURN(packed, Pack<InnerEntry>(*pages_, level, inner_entries_));
  }
  const bool fits =
      packed.size() < count && !packed.empty() && page::InnerBytes(packed) <= page_bytes;
  // Longer separators may take more room than fewer children save: then all stays as it was.
  for (uint32_t i = 0; i < (fits ? count : packed.size()); ++i) {
    const ChildRef ref = fits ? old_children[i] : packed[i].child;
    const uint8_t* const node = pages_->Fetch(ref, level);
    if (node == nullptr) return pages_->Explain(ref, level);
    ESPALIER_RETURN_IF_ERROR(pages_->FreeNode(ref, node));
  }
  if (!fits) return false;
  page::BuildInner(packed, writable(level + 1), page_bytes);
  return true;
}

absl::Status TreeWriter::MoveChildren(const TidyOptions& options) {
  const uint32_t parent_level = options.level + 1;
  const uint32_t count = Inner(path_[parent_level].page).size();
  for (uint32_t i = 0; i < count; ++i) {
    // The path to this child, as if it had been looked up.
    path_[parent_level].index = i;
    const ChildRef ref = Inner(path_[parent_level].page).child(i);
    const uint8_t* const child = pages_->Fetch(ref, options.level);
    if (child == nullptr) return pages_->Explain(ref, options.level);
    if (ref.number().value >= options.page_limit) {
      ESPALIER_RETURN_IF_ERROR(MakePathWritable(parent_level));
      ESPALIER_ASSIGN_OR_RETURN(const WritablePage moved, pages_->MakeWritable(ref, child));
      InnerEditor(writable(parent_level), pages_->page_bytes()).SetChild(i, moved.ref);
    }
    if (options.level == 0) {
      const ChildRef leaf = Inner(path_[1].page).child(i);
      const uint8_t* const page = pages_->Fetch(leaf, 0);
      if (page == nullptr) return pages_->Explain(leaf, 0);
      path_[0] = {leaf, page, 0};
      ESPALIER_RETURN_IF_ERROR(MoveLargeValues(options.page_limit));
    }
  }
  return absl::OkStatus();
}

// Moves the large values of the leaf at the path's end.
absl::Status TreeWriter::MoveLargeValues(uint64_t page_limit) {
  const uint32_t count = Leaf(path_[0].page).size();
  for (uint32_t i = 0; i < count; ++i) {
    const page::Payload payload = Leaf(path_[0].page).payload(i);
    if (!payload.large) continue;
    const page::LargeRef old =
        page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data()));
    const uint64_t run_pages = old.RunPages(pages_->page_bytes());
    if (old.first_page.value + run_pages <= page_limit) continue;
    ESPALIER_RETURN_IF_ERROR(pages_->CheckRun(old));
    ESPALIER_ASSIGN_OR_RETURN(const std::string_view stored,
                              pages_->reader().ReadLarge(old, 0, old.stored_bytes));
    page::LargeRef moved = old;
    ESPALIER_ASSIGN_OR_RETURN(uint8_t* const run, pages_->NewRun(moved));
    if (moved.first_page >= old.first_page) {
      ESPALIER_RETURN_IF_ERROR(pages_->FreeRun(moved));
      continue;
    }
    std::memcpy(run, stored.data(), stored.size());
    page::SealLarge(moved, run);
    ESPALIER_RETURN_IF_ERROR(MakePathWritable());
    ESPALIER_RETURN_IF_ERROR(pages_->FreeRun(old));
    moved.Encode(LeafEditor(writable(0), pages_->page_bytes()).payload_bytes(i));
  }
  return absl::OkStatus();
}

}  // namespace espalier::tree
