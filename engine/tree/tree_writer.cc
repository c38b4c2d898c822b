// Descent, insertion and splitting. What removes is in tree_remove.cc.
#include "engine/tree/tree_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/base/status_macros.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"
#include "engine/tree/lookup.h"

namespace espalier::tree {
namespace {

// A neighbour takes entries if one part in so many of it is free.
constexpr uint32_t kNeighbourRoom = 4;

}  // namespace

using page::ChildRef;
using page::Inner;
using page::InnerEditor;
using page::InnerEntry;
using page::Leaf;
using page::LeafEditor;
using page::LeafEntry;
using page::Payload;

absl::Status FreeLarge(PageWriter& pages, const Payload& payload) {
  if (!payload.large) return absl::OkStatus();
  return pages.FreeRun(
      page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data())));
}

uint8_t* TreeWriter::writable(uint32_t level) const {
  return pages_->source().write_page(path_[level].ref.number());
}

bool TreeWriter::AtRightEdge() const {
  for (uint32_t level = 1; level < root_->height; ++level) {
    if (path_[level].index + 1 < page::HeaderOf(path_[level].page).entry_count) return false;
  }
  return true;
}

absl::Status TreeWriter::Descend(std::string_view key, Above above) {
  ChildRef ref = root_->ref;
  for (uint32_t level = root_->height; level-- > 0;) {
    const uint8_t* const page = pages_->Fetch(ref, level);
    if (page == nullptr) return pages_->Explain(ref, level);
    path_[level] = {ref, page, 0};
    if (level == 0) break;
    const Inner inner(page);
    path_[level].index = inner.FindChild(key);
    ref = inner.child(path_[level].index);
    pages_->reader().PrefetchNode(ref, level - 1);
    if (above == Above::kWritable) ESPALIER_RETURN_IF_ERROR(MakeWritable(level));
    // It is going to be copied. The upper levels are few pages, in the caches anyway.
    if (level <= 2) pages_->reader().PrefetchWholeNode(ref);
  }
  return absl::OkStatus();
}

namespace {

// What a fault does: it turns a page to zeros.
constexpr std::string_view kChanged = "a node changed under a transaction";

// The order of `key` against the key of an entry.
int CompareToEntry(const Leaf& leaf, uint32_t index, std::string_view key) {
  const int prefix_order = page::ComparePrefix(key, leaf.prefix_bytes(), leaf.prefix_length());
  if (prefix_order != 0) return prefix_order;
  const std::string_view suffix = key.substr(leaf.prefix_length());
  const uint32_t head = page::HeadOf(suffix);
  const uint32_t entry_head = LoadLE32(leaf.heads() + size_t{4} * index);
  if (head != entry_head) return head < entry_head ? -1 : 1;
  return -leaf.CompareSuffix(index, suffix);
}

}  // namespace

absl::StatusOr<TreeWriter::Place> TreeWriter::Seek(std::string_view key, Above above) {
  exact_ = false;
  at_end_ = false;
  if (root_->height == 0) return Place{false, {}};
  ESPALIER_RETURN_IF_ERROR(Descend(key, above));
  const Leaf leaf(path_[0].page);
  const page::Position position = leaf.Find(key);
  path_[0].index = position.index;
  exact_ = position.exact;
  if (!exact_) return Place{false, {}};
  return Place{true, leaf.payload(position.index)};
}

absl::StatusOr<bool> TreeWriter::SeekEnd(std::string_view key) {
  exact_ = false;
  if (root_->height == 0) return true;
  if (at_end_) {
    const Leaf leaf(path_[0].page);
    const uint32_t size = leaf.size();
    if (size == 0) return pages_->source().DataLoss(kChanged);
    path_[0].index = size;
    return CompareToEntry(leaf, size - 1, key) > 0;
  }
  const page::PageReader& reader = pages_->reader();
  ChildRef ref = root_->ref;
  for (uint32_t level = root_->height; level-- > 0;) {
    const uint8_t* const page = pages_->Fetch(ref, level);
    if (page == nullptr) return pages_->Explain(ref, level);
    const uint32_t size = page::HeaderOf(page).entry_count;
    path_[level] = {ref, page, size};
    if (level == 0) break;
    if (size == 0) return pages_->source().DataLoss(kChanged);
    path_[level].index = size - 1;
    ref = Inner(page).child(size - 1);
  }
  const Leaf leaf(path_[0].page);
  if (leaf.size() == 0) {
    // Left behind empty by a deletion: its neighbours must be asked.
    ESPALIER_RETURN_IF_ERROR(Seek(key).status());
    const std::optional<uint64_t> rank = Rank(reader, *root_, key);
    if (!rank.has_value()) return ExplainLookup(reader, *root_, key);
    return *rank == root_->entries;
  }
  return leaf.Find(key).index == leaf.size();
}

absl::StatusOr<TreeWriter::LastLeaf> TreeWriter::FindLastLeaf() const {
  ChildRef ref = root_->ref;
  for (uint32_t level = root_->height; level-- > 0;) {
    const uint8_t* const page = pages_->Fetch(ref, level);
    if (page == nullptr) return pages_->Explain(ref, level);
    const uint32_t size = page::HeaderOf(page).entry_count;
    if (level == 0) return LastLeaf{ref.number(), size};
    if (size == 0) break;
    ref = Inner(page).child(size - 1);
  }
  return pages_->source().DataLoss(kChanged);
}

TreeWriter::Appended TreeWriter::TryAppend(std::string_view key, const Payload& payload) {
  if (!at_end_) return Appended::kNotHere;
  const Leaf leaf(path_[0].page);
  const uint32_t size = leaf.size();
  if (size == 0 || CompareToEntry(leaf, size - 1, key) <= 0 ||
      !LeafEditor(writable(0), pages_->page_bytes()).Insert(size, key, payload)) {
    return Appended::kNotHere;
  }
  for (uint32_t level = 1; level < root_->height; ++level) {
    StoreLE64(end_counts_[level], LoadLE64(end_counts_[level]) + 1);
  }
  ++root_->entries;
  return Appended::kDone;
}

void TreeWriter::StandAtEnd() {
  at_end_ = true;
  for (uint32_t level = 1; level < root_->height; ++level) {
    const Inner node(path_[level].page);
    end_counts_[level] =
        writable(level) + (node.counts() - node.page()) + size_t{8} * path_[level].index;
  }
}

absl::Status TreeWriter::MakePathWritable(uint32_t lowest_level) {
  for (uint32_t level = root_->height; level-- > lowest_level;) {
    ESPALIER_RETURN_IF_ERROR(MakeWritable(level));
  }
  return absl::OkStatus();
}

// The path's step, of which those above are writable.
absl::Status TreeWriter::MakeWritable(uint32_t level) {
  Step& step = path_[level];
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage page, pages_->MakeWritable(step.ref, step.page));
  if (page.ref != step.ref) {
    if (level == top()) {
      root_->ref = page.ref;
    } else {
      InnerEditor(writable(level + 1), pages_->page_bytes())
          .SetChild(path_[level + 1].index, page.ref);
    }
  }
  step.ref = page.ref;
  step.page = page.bytes;
  return absl::OkStatus();
}

void TreeWriter::AddToCounts(int64_t delta) {
  for (uint32_t level = 1; level < root_->height; ++level) {
    InnerEditor(writable(level), pages_->page_bytes()).AddToCount(path_[level].index, delta);
  }
  root_->entries += static_cast<uint64_t>(delta);
}

absl::StatusOr<uint8_t*> TreeWriter::Put(std::string_view key, const Payload& payload) {
  if (root_->height == 0) {
    ESPALIER_ASSIGN_OR_RETURN(const WritablePage leaf, pages_->NewNode(0));
    const LeafEntry entry{key, payload};
    page::BuildLeaf(absl::MakeConstSpan(&entry, 1), leaf.bytes, pages_->page_bytes());
    *root_ = {leaf.ref, 1, 1};
    return LeafEditor(leaf.bytes, pages_->page_bytes()).payload_bytes(0);
  }
  const bool at_end = std::exchange(at_end_, false);
  if (!at_end) ESPALIER_RETURN_IF_ERROR(MakePathWritable());
  LeafEditor leaf(writable(0), pages_->page_bytes());
  const uint32_t index = path_[0].index;
  if (exact_) {
    ESPALIER_RETURN_IF_ERROR(FreeLarge(*pages_, Leaf(path_[0].page).payload(index)));
    if (leaf.Replace(index, payload)) return leaf.payload_bytes(index);
    return PutSlowly(key, payload, /*insert=*/false);
  }
  AddToCounts(1);
  const Leaf view(path_[0].page);
  const bool last = index == view.size() && (at_end || AtRightEdge());
  if (leaf.Insert(index, key, payload)) {
    if (last) StandAtEnd();
    return leaf.payload_bytes(index);
  }
  // Keys that come in ascending order leave full leaves behind them.
  if (last && index > 0 && IsFullFor(key, payload)) return PutInNewLastLeaf(key, payload);
  return PutSlowly(key, payload, /*insert=*/true);
}

// Whether no rebuilding makes room for the entry at the end of the leaf.
bool TreeWriter::IsFullFor(std::string_view key, const Payload& payload) const {
  const Leaf leaf(path_[0].page);
  const uint32_t prefix_length = leaf.prefix_length();
  if (page::ComparePrefix(key, leaf.prefix_bytes(), prefix_length) != 0) return false;
  // The prefix may be shorter than it could be. Of what a longer one takes from the keys, only the
  // part behind the heads saves room.
  const uint32_t common = page::CommonPrefixLength(leaf.key(0).CopyTo(*arena_), key);
  const uint32_t saved =
      std::min(common - prefix_length, page::TailLength(leaf.SuffixLength(0))) * (leaf.size() - 1);
  return leaf.UsedBytes() + Leaf::kEntryArrayBytes +
             page::LeafRecordBytes(static_cast<uint32_t>(key.size()) - prefix_length,
                                   static_cast<uint32_t>(payload.bytes.size())) >
         pages_->page_bytes() + saved;
}

absl::StatusOr<uint8_t*> TreeWriter::PutInNewLastLeaf(std::string_view key,
                                                      const Payload& payload) {
  const Leaf left(path_[0].page);
  arena_->Reset();
  const std::string_view separator =
      page::ShortestSeparator(left.key(path_[0].index - 1).CopyTo(*arena_), key);
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage right, pages_->NewNode(0));
  const LeafEntry entry{key, payload};
  // What follows will share as much with this key as this one with what was before it, or so.
  page::BuildLeaf(absl::MakeConstSpan(&entry, 1), right.bytes, pages_->page_bytes(),
                  std::min(left.prefix_length(), static_cast<uint32_t>(separator.size()) - 1));
  const uint32_t height = root_->height;
  ESPALIER_RETURN_IF_ERROR(InsertChild(1, separator, right.ref, left.size(), 1));
  // The path leads on to the new leaf where its parent was not split.
  if (height > 1) {
    Step& parent = path_[1];
    const Inner inner(parent.page);
    if (root_->height == height && parent.index + 1 < inner.size() &&
        inner.child(parent.index + 1) == right.ref) {
      ++parent.index;
      path_[0] = {right.ref, right.bytes, 1};
      StandAtEnd();
    }
  }
  return LeafEditor(right.bytes, pages_->page_bytes()).payload_bytes(0);
}

absl::StatusOr<uint8_t*> TreeWriter::OverwriteInPlace() {
  at_end_ = false;
  if (!exact_) return absl::NotFoundError("");
  ESPALIER_RETURN_IF_ERROR(MakePathWritable());
  return LeafEditor(writable(0), pages_->page_bytes()).payload_bytes(path_[0].index);
}

// The leaf has no room, or a prefix that the key does not share: builds it anew, as one or two
// leaves.
absl::StatusOr<uint8_t*> TreeWriter::PutSlowly(std::string_view key, const Payload& payload,
                                               bool insert) {
  const uint32_t page_bytes = pages_->page_bytes();
  const uint32_t index = path_[0].index;
  arena_->Reset();
  leaf_entries_.clear();
  page::TakeApart(Leaf(path_[0].page), /*copy_payloads=*/true, *arena_, leaf_entries_);
  if (index > leaf_entries_.size() || (!insert && index == leaf_entries_.size())) {
    return pages_->source().DataLoss(kChanged);
  }
  if (insert) {
    leaf_entries_.insert(leaf_entries_.begin() + index, LeafEntry{key, payload});
  } else {
    leaf_entries_[index].payload = payload;
  }
  uint8_t* const left = writable(0);
  if (page::LeafBytes(leaf_entries_) <= page_bytes) {
    page::BuildLeaf(leaf_entries_, left, page_bytes);
    return LeafEditor(left, page_bytes).payload_bytes(index);
  }
  const bool ascending = insert && index + 1 == leaf_entries_.size() && AtRightEdge();
  if (!ascending && root_->height > 1) {
    ESPALIER_ASSIGN_OR_RETURN(uint8_t* const shared, ShareWithNeighbour(index));
    if (shared != nullptr) return shared;
  }
  const absl::Span<const LeafEntry> entries = leaf_entries_;
  const uint32_t cut = ascending ? index : page::ChooseLeafCut(entries, page_bytes);
  if (cut == 0) return pages_->source().DataLoss("the entries of a leaf do not fit into two");
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage right, pages_->NewNode(0));
  page::BuildLeaf(entries.first(cut), left, page_bytes);
  page::BuildLeaf(entries.subspan(cut), right.bytes, page_bytes);
  const std::string_view separator =
      page::ShortestSeparator(entries[cut - 1].key, entries[cut].key);
  ESPALIER_RETURN_IF_ERROR(InsertChild(1, separator, right.ref, cut, entries.size() - cut));
  return index < cut ? LeafEditor(left, page_bytes).payload_bytes(index)
                     : LeafEditor(right.bytes, page_bytes).payload_bytes(index - cut);
}

// Instead of a split, where a neighbour below the same parent has room: it takes as many of the
// entries in leaf_entries_, which the leaf is to have, as make both equally full. So leaves that
// are filled at random come to be some 80 % full instead of 69 % (the B*-tree: Knuth, "The Art of
// Computer Programming", vol. 3, 6.2.4). Null, and nothing changed, if there is none.
absl::StatusOr<uint8_t*> TreeWriter::ShareWithNeighbour(uint32_t index) {
  const uint32_t page_bytes = pages_->page_bytes();
  const Inner parent(path_[1].page);
  const uint32_t own = path_[1].index;
  Step neighbour{};
  uint32_t least_used = page_bytes - page_bytes / kNeighbourRoom;
  for (const uint32_t at : {own - 1, own + 1}) {
    if (at >= parent.size()) continue;  // before the first one, too
    const ChildRef ref = parent.child(at);
    const uint8_t* const page = pages_->Fetch(ref, 0);
    if (page == nullptr) continue;  // one that is damaged is left alone
    const uint32_t used = Leaf(page).UsedBytes();
    if (used >= least_used) continue;
    least_used = used;
    neighbour = {ref, page, at};
  }
  if (neighbour.page == nullptr) return nullptr;

  const bool is_left = neighbour.index < own;
  const auto own_count = static_cast<ptrdiff_t>(leaf_entries_.size());
  page::TakeApart(Leaf(neighbour.page), /*copy_payloads=*/true, *arena_, leaf_entries_);
  if (is_left) {
    index += static_cast<uint32_t>(leaf_entries_.size()) - static_cast<uint32_t>(own_count);
    std::rotate(leaf_entries_.begin(), leaf_entries_.begin() + own_count, leaf_entries_.end());
  }
  const absl::Span<const LeafEntry> entries = leaf_entries_;
  const uint32_t cut = page::ChooseLeafCut(entries, page_bytes);
  if (cut == 0) {  // prefixes differ that much
    if (is_left) {
      std::rotate(leaf_entries_.begin(), leaf_entries_.end() - own_count, leaf_entries_.end());
    }
    leaf_entries_.resize(static_cast<size_t>(own_count));
    return nullptr;
  }
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage beside,
                            pages_->MakeWritable(neighbour.ref, neighbour.page));
  const WritablePage leaf = {writable(0), path_[0].ref};
  const WritablePage& left = is_left ? beside : leaf;
  const WritablePage& right = is_left ? leaf : beside;
  page::BuildLeaf(entries.first(cut), left.bytes, page_bytes);
  page::BuildLeaf(entries.subspan(cut), right.bytes, page_bytes);
  // The parent gets the right one anew, as if the left one had been split.
  InnerEditor editor(writable(1), page_bytes);
  const uint32_t left_index = std::min(own, neighbour.index);
  editor.SetChild(left_index, left.ref);
  editor.Remove(left_index + 1);
  path_[1].index = left_index;
  const std::string_view separator =
      page::ShortestSeparator(entries[cut - 1].key, entries[cut].key);
  ESPALIER_RETURN_IF_ERROR(InsertChild(1, separator, right.ref, cut, entries.size() - cut));
  return index < cut ? LeafEditor(left.bytes, page_bytes).payload_bytes(index)
                     : LeafEditor(right.bytes, page_bytes).payload_bytes(index - cut);
}

// A node at `level` - 1 was split: `child` is its right part. The counts above `level` are right
// already.
absl::Status TreeWriter::InsertChild(uint32_t level, std::string_view separator, ChildRef child,
                                     uint64_t left_entries, uint64_t right_entries) {
  if (level == root_->height) return GrowRoot(separator, child, left_entries, right_entries);
  const uint32_t page_bytes = pages_->page_bytes();
  const uint32_t index = path_[level].index;
  uint8_t* const left = writable(level);
  InnerEditor editor(left, page_bytes);
  editor.SetCount(index, left_entries);
  if (editor.Insert(index + 1, separator, child, right_entries)) return absl::OkStatus();

  std::vector<InnerEntry>& list = inner_entries_;
  list.clear();
  page::TakeApart(Inner(left), *arena_, list);
  if (index >= list.size()) return pages_->source().DataLoss(kChanged);
  list.insert(list.begin() + index + 1, InnerEntry{separator, child, right_entries});
  const absl::Span<const InnerEntry> entries = list;
  if (page::InnerBytes(entries) <= page_bytes) {
    page::BuildInner(entries, left, page_bytes);
    return absl::OkStatus();
  }
  const bool ascending = index + 2 == entries.size() && AtRightEdge();
  const uint32_t cut = ascending ? static_cast<uint32_t>(entries.size()) - 1
                                 : page::ChooseInnerCut(entries, page_bytes);
  if (cut == 0) return pages_->source().DataLoss("the entries of a node do not fit into two");
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage right, pages_->NewNode(level));
  page::BuildInner(entries.first(cut), left, page_bytes);
  page::BuildInner(entries.subspan(cut), right.bytes, page_bytes);
  uint64_t left_sum = 0;
  uint64_t right_sum = 0;
  for (const InnerEntry& entry : entries.first(cut)) left_sum += entry.count;
  for (const InnerEntry& entry : entries.subspan(cut)) right_sum += entry.count;
  const std::string_view promoted = entries[cut].separator;
  return InsertChild(level + 1, promoted, right.ref, left_sum, right_sum);
}

absl::Status TreeWriter::GrowRoot(std::string_view separator, ChildRef right, uint64_t left_entries,
                                  uint64_t right_entries) {
  if (root_->height >= page::kMaxHeight - 1) {
    return absl::ResourceExhaustedError("the tree has reached its greatest height");
  }
  ESPALIER_ASSIGN_OR_RETURN(const WritablePage root, pages_->NewNode(root_->height));
  const std::array<InnerEntry, 2> entries = {InnerEntry{{}, root_->ref, left_entries},
                                             InnerEntry{separator, right, right_entries}};
  page::BuildInner(entries, root.bytes, pages_->page_bytes());
  root_->ref = root.ref;
  ++root_->height;
  return absl::OkStatus();
}

}  // namespace espalier::tree
