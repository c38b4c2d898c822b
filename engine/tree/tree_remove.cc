// Removal: of an entry, of a range of entries, of whole trees, and the merging that follows.
//
// A node that has become less than a quarter full is merged with a neighbour below the same parent
// where both fit into one page, and leaves its parent when it has become empty. Nothing depends on
// how full a node is: where two do not fit, they stay.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"
#include "engine/tree/tree_writer.h"

namespace espalier::tree {

using page::ChildRef;
using page::Inner;
using page::InnerEditor;
using page::InnerEntry;
using page::Leaf;
using page::LeafEditor;

absl::Status TreeWriter::Remove() {
  if (root_->height == 0 || !exact_) return absl::NotFoundError("");
  at_end_ = false;
  ESPALIER_RETURN_IF_ERROR(MakePathWritable());
  const uint32_t index = path_[0].index;
  ESPALIER_RETURN_IF_ERROR(FreeLarge(*pages_, Leaf(path_[0].page).payload(index)));
  LeafEditor(writable(0), pages_->page_bytes()).Remove(index);
  AddToCounts(-1);
  exact_ = false;
  return Rebalance(0);
}

// The path must be writable; steps below `level` may be stale.
absl::Status TreeWriter::Rebalance(uint32_t level) {
  const uint32_t page_bytes = pages_->page_bytes();
  for (; level < top(); ++level) {
    const uint8_t* const page = path_[level].page;
    if (page::HeaderOf(page).entry_count == 0) {
      ESPALIER_RETURN_IF_ERROR(pages_->FreeNode(path_[level].ref, page));
      InnerEditor(writable(level + 1), page_bytes).Remove(path_[level + 1].index);
      continue;
    }
    const uint32_t used = level == 0 ? Leaf(page).UsedBytes() : Inner(page).UsedBytes();
    if (used >= page_bytes / 4) return absl::OkStatus();
    const uint32_t index = path_[level + 1].index;
    bool merged = false;
    if (index > 0) {
      ESPALIER_ASSIGN_OR_RETURN(merged, MergeWithNeighbour(level, index - 1));
    }
    if (!merged && index + 1 < Inner(path_[level + 1].page).size()) {
      ESPALIER_ASSIGN_OR_RETURN(merged, MergeWithNeighbour(level, index));
    }
    if (!merged) return absl::OkStatus();
  }
  return ShrinkRoot();
}

// Merges the children `left_index` and the one after it of the node at `level` + 1, if they fit.
absl::StatusOr<bool> TreeWriter::MergeWithNeighbour(uint32_t level, uint32_t left_index) {
  const uint32_t page_bytes = pages_->page_bytes();
  const Inner parent(path_[level + 1].page);
  const ChildRef left_ref = parent.child(left_index);
  const ChildRef right_ref = parent.child(left_index + 1);
  const uint8_t* const left = pages_->Fetch(left_ref, level);
  if (left == nullptr) return pages_->Explain(left_ref, level);
  const uint8_t* const right = pages_->Fetch(right_ref, level);
  if (right == nullptr) return pages_->Explain(right_ref, level);

  const auto used = [&](const uint8_t* page) {
    return level == 0 ? Leaf(page).UsedBytes() : Inner(page).UsedBytes();
  };
  // Without the pages' prefixes it can only take more.
  if (used(left) + used(right) > page_bytes + page::kHeaderBytes +
                                     page::HeaderOf(left).prefix_length +
                                     page::HeaderOf(right).prefix_length) {
    return false;
  }
  arena_->Reset();
  leaf_entries_.clear();
  inner_entries_.clear();
  if (level == 0) {
    page::TakeApart(Leaf(left), /*copy_payloads=*/true, *arena_, leaf_entries_);
    page::TakeApart(Leaf(right), /*copy_payloads=*/true, *arena_, leaf_entries_);
    if (page::LeafBytes(leaf_entries_) > page_bytes) return false;
  } else {
    page::TakeApart(Inner(left), *arena_, inner_entries_);
    const size_t first_of_right = inner_entries_.size();
    page::TakeApart(Inner(right), *arena_, inner_entries_);
    // The right node's first separator is the one that parts the two.
    inner_entries_[first_of_right].separator = parent.separator(left_index + 1).CopyTo(*arena_);
    if (page::InnerBytes(inner_entries_) > page_bytes) return false;
  }
  const uint64_t count = parent.count(left_index) + parent.count(left_index + 1);
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage merged, pages_->MakeWritable(left_ref, left));
  if (level == 0) {
    page::BuildLeaf(leaf_entries_, merged.bytes, page_bytes);
  } else {
    page::BuildInner(inner_entries_, merged.bytes, page_bytes);
  }
  ESPALIER_RETURN_IF_ERROR(pages_->FreeNode(right_ref, right));
  InnerEditor editor(writable(level + 1), page_bytes);
  editor.SetChild(left_index, merged.ref);
  editor.SetCount(left_index, count);
  editor.Remove(left_index + 1);
  return true;
}

absl::Status TreeWriter::ShrinkRoot() {
  while (root_->height > 0) {
    const uint8_t* const page = pages_->Fetch(root_->ref, top());
    if (page == nullptr) return pages_->Explain(root_->ref, top());
    const uint32_t size = page::HeaderOf(page).entry_count;
    if (size > (root_->height == 1 ? 0u : 1u)) return absl::OkStatus();
    const ChildRef old = root_->ref;
    if (size == 0) {
      *root_ = {};
    } else {
      root_->ref = Inner(page).child(0);
      --root_->height;
    }
    ESPALIER_RETURN_IF_ERROR(pages_->FreeNode(old, page));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> TreeWriter::RemoveRange(std::string_view begin,
                                                 std::optional<std::string_view> end,
                                                 std::vector<DetachedTree>& detached) {
  exact_ = false;
  at_end_ = false;
  if (root_->height == 0 || (end.has_value() && begin >= *end)) return 0;
  const uint64_t before = root_->entries;
  Bounds bounds{std::nullopt, end};
  if (!begin.empty()) bounds.begin = begin;
  if (!bounds.begin.has_value() && !bounds.end.has_value()) {
    detached.push_back({root_->ref, top()});
    *root_ = {};
    return before;
  }
  ESPALIER_ASSIGN_OR_RETURN(const std::optional<Remainder> rest,
                            RemoveFromNode(root_->ref, top(), bounds, detached));
  if (!rest.has_value()) {
    *root_ = {};
    return before;
  }
  root_->ref = rest->ref;
  root_->entries = rest->entries;
  ESPALIER_RETURN_IF_ERROR(ShrinkRoot());
  ESPALIER_RETURN_IF_ERROR(RebalanceAround(begin));
  if (end.has_value()) ESPALIER_RETURN_IF_ERROR(RebalanceAround(*end));
  return before - root_->entries;
}

absl::Status TreeWriter::RebalanceAround(std::string_view key) {
  // Each level on its own: a merge below makes the steps above it no less true.
  for (uint32_t level = 0; level < root_->height; ++level) {
    ESPALIER_RETURN_IF_ERROR(Descend(key));
    ESPALIER_RETURN_IF_ERROR(MakePathWritable());
    ESPALIER_RETURN_IF_ERROR(Rebalance(level));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TreeWriter::Remainder>> TreeWriter::RemoveFromNode(
    ChildRef ref, uint32_t level, const Bounds& bounds, std::vector<DetachedTree>& detached) {
  const uint8_t* const page = pages_->Fetch(ref, level);
  if (page == nullptr) return pages_->Explain(ref, level);
  if (level == 0) return RemoveFromLeaf(ref, page, bounds);

  ESPALIER_ASSIGN_OR_RETURN(const WritablePage node, pages_->MakeWritable(ref, page));
  const Inner inner(node.bytes);
  const uint32_t first = bounds.begin.has_value() ? inner.FindChild(*bounds.begin) : 0;
  const uint32_t last = bounds.end.has_value() ? inner.FindChild(*bounds.end) : inner.size() - 1;

  // The children at both ends may keep a part; those between them go as a whole. Keys are kept in a
  // buffer of this call: the arena is reset by merges, which do not happen here.
  page::Arena keys;
  std::vector<InnerEntry> children;
  page::TakeApart(inner, keys, children);
  std::vector<InnerEntry> kept;
  uint64_t entries = 0;
  for (uint32_t i = 0; i < children.size(); ++i) {
    InnerEntry child = children[i];
    if (i >= first && i <= last) {
      const Bounds part{i == first ? bounds.begin : std::nullopt,
                        i == last ? bounds.end : std::nullopt};
      if (!part.begin.has_value() && !part.end.has_value()) {
        detached.push_back({child.child, level - 1});
        continue;
      }
      ESPALIER_ASSIGN_OR_RETURN(const std::optional<Remainder> rest,
                                RemoveFromNode(child.child, level - 1, part, detached));
      if (!rest.has_value()) continue;
      child.child = rest->ref;
      child.count = rest->entries;
    }
    entries += child.count;
    kept.push_back(child);
  }
  if (kept.empty()) {
    ESPALIER_RETURN_IF_ERROR(pages_->FreeNode(node.ref, node.bytes));
    return std::nullopt;
  }
  // Fewer entries never take more room.
  page::BuildInner(kept, node.bytes, pages_->page_bytes());
  return Remainder{node.ref, entries};
}

absl::StatusOr<std::optional<TreeWriter::Remainder>> TreeWriter::RemoveFromLeaf(
    ChildRef ref, const uint8_t* page, const Bounds& bounds) {
  const Leaf leaf(page);
  const uint32_t first = bounds.begin.has_value() ? leaf.Find(*bounds.begin).index : 0;
  const uint32_t last = bounds.end.has_value() ? leaf.Find(*bounds.end).index : leaf.size();
  for (uint32_t i = first; i < last; ++i) {
    ESPALIER_RETURN_IF_ERROR(FreeLarge(*pages_, leaf.payload(i)));
  }
  if (first == 0 && last == leaf.size()) {
    ESPALIER_RETURN_IF_ERROR(pages_->FreeNode(ref, page));
    return std::nullopt;
  }
  if (first >= last) return Remainder{ref, leaf.size()};
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage node, pages_->MakeWritable(ref, page));
  LeafEditor editor(node.bytes, pages_->page_bytes());
  for (uint32_t i = last; i-- > first;) editor.Remove(i);
  return Remainder{node.ref, Leaf(node.bytes).size()};
}

absl::StatusOr<std::optional<DetachedTree>> TreeWriter::FreePart(PageWriter& pages,
                                                                 DetachedTree tree,
                                                                 uint64_t& budget) {
  const uint8_t* page = pages.Fetch(tree.ref, tree.level);
  if (page == nullptr) return std::nullopt;
  if (tree.level == 0) {
    const Leaf leaf(page);
    for (uint32_t i = 0; i < leaf.size(); ++i) {
      FreeLarge(pages, leaf.payload(i)).IgnoreError();
    }
  } else {
    uint32_t size = Inner(page).size();
    bool partly = false;
    ChildRef rest_ref;
    while (size > 0 && budget > 0 && !partly) {
      ESPALIER_ASSIGN_OR_RETURN(
          const std::optional<DetachedTree> rest,
          FreePart(pages, {Inner(page).child(size - 1), tree.level - 1}, budget));
      if (rest.has_value()) {
        partly = true;
        rest_ref = rest->ref;
      } else {
        --size;
      }
    }
    if (size > 0) {
      ESPALIER_ASSIGN_OR_RETURN(const WritablePage node, pages.MakeWritable(tree.ref, page));
      InnerEditor editor(node.bytes, pages.page_bytes());
      while (Inner(node.bytes).size() > size) editor.Remove(Inner(node.bytes).size() - 1);
      if (partly) editor.SetChild(size - 1, rest_ref);
      return DetachedTree{node.ref, tree.level};
    }
  }
  pages.FreeNode(tree.ref, page).IgnoreError();
  budget -= std::min<uint64_t>(budget, 1);
  return std::nullopt;
}

}  // namespace espalier::tree
