// Walks the entries of a tree that does not change meanwhile (of one that does: the caller seeks
// anew). Keeps the path from the root, since leaves have no links to their neighbours.
#ifndef ESPALIER_ENGINE_TREE_CURSOR_H_
#define ESPALIER_ENGINE_TREE_CURSOR_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "engine/base/prefetch.h"
#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"
#include "engine/page/page_source.h"

namespace espalier::tree {

// The positioning calls return whether the cursor stands on an entry; if not, status() tells
// whether there is none (OK) or the way led over a damaged page.
class Cursor {
 public:
  Cursor(const page::PageReader& reader, const page::TreeRoot& root)
      : reader_(reader), root_(root) {}

  // Another state of the tree; the cursor stands nowhere.
  void Reset(const page::PageReader& reader, const page::TreeRoot& root);

  bool First();
  bool Last();
  bool SeekLowerBound(std::string_view key);
  // To the entry with `index` entries before it.
  bool Select(uint64_t index);
  bool Next();
  bool Prev();
  // Next() where it leads to another entry of the same leaf; false, and no change, where it does
  // not.
  bool NextInLeaf() {
    if (!valid_ || leaf_index_ + 1 >= leaf_size_) return false;
    ++leaf_index_;
    FetchAhead();
    return true;
  }

  bool valid() const { return valid_; }
  const absl::Status& status() const { return status_; }

  // Whether the current entry can no longer be read because the file lost its page.
  bool EntryIsLost() const {
    const uint8_t* const record = leaf().record(leaf_index_);
    asm volatile("" : : "r"(*record));  // a fault happens here, and not when the key is asked for
    return reader_.source().faulted();
  }

  // Of the current entry; only while valid().
  page::StoredKey key() const { return leaf().key(leaf_index_); }
  page::Payload payload() const { return leaf().payload(leaf_index_); }

 private:
  static constexpr uint32_t kRecordsAhead = 6;
  static constexpr uint32_t kLeavesAtSeek = 4;  // prefetched, with the one that is sought
  // Leaves from one look to the next.
  static constexpr uint32_t kShortestLookInterval = 8;
  static constexpr uint32_t kLongestLookInterval = 64;
  // What is announced, and for how many looks after the last wait. Enough to keep a device busy.
  static constexpr uint32_t kLeavesAnnounced = 64;
  static constexpr uint32_t kLooksAfterWait = 256;

  struct Step {
    const uint8_t* page;
    uint32_t index;
  };

  page::Leaf leaf() const { return page::Leaf(steps_[0].page); }
  bool Fail(page::ChildRef ref, uint32_t level);
  bool Stop();
  // What every positioning starts with.
  void Begin();
  // Goes down from the node at `level` to the first or last leaf below its current child.
  bool DescendToEdge(uint32_t level, bool last);
  bool EnterLeaf();
  // So many steps are left to load all of the upcoming leaf with.
  void SpreadUpcomingOver(uint32_t steps);
  void FetchAhead() {
    if (fetch_records_ && leaf_index_ + kRecordsAhead < leaf_size_) {
      const uint8_t* const record = leaf().record(leaf_index_ + kRecordsAhead);
      PrefetchLines(record, 2);
    }
    if (upcoming_ != upcoming_end_) {
      const size_t lines = std::min(
          upcoming_step_lines_, static_cast<size_t>(upcoming_end_ - upcoming_) / kCacheLineBytes);
      PrefetchLines(upcoming_, lines);
      upcoming_ += lines * kCacheLineBytes;
    }
  }
  // On the way forward, now and then: has the kernel read the leaves in that come next, if those
  // before had to be waited for.
  void LookAhead();
  bool NextLeaf();
  bool PrevLeaf();
  // Notes a step of so many leaves since the cursor was last positioned. False if those are more
  // leaves than there are pages: a damaged file's nodes have children in common.
  bool CountLeaves(int64_t step);

  page::PageReader reader_;
  page::TreeRoot root_;
  std::array<Step, page::kMaxHeight> steps_;  // by level, the leaf's at 0
  uint32_t leaf_index_ = 0;
  uint32_t leaf_size_ = 0;
  int64_t leaves_passed_ = 0;
  // The rest of the leaf after the current one, to be fetched into the cache, so much with each
  // step that it is there when its turn comes.
  const uint8_t* upcoming_ = nullptr;
  const uint8_t* upcoming_end_ = nullptr;
  size_t upcoming_step_lines_ = 0;
  // Whether the current leaf's records were not fetched that way, since a seek led to it.
  bool fetch_records_ = false;
  bool valid_ = false;
  // LookAhead()'s, since the cursor was last positioned.
  uint32_t look_interval_ = kShortestLookInterval;  // leaves
  uint32_t leaves_until_look_ = kShortestLookInterval;
  uint32_t looks_left_ = 0;
  std::optional<uint64_t> major_faults_;
  const uint8_t* announced_parent_ = nullptr;
  uint32_t announced_end_ = 0;  // of its children
  absl::Status status_;
};

}  // namespace espalier::tree

#endif  // ESPALIER_ENGINE_TREE_CURSOR_H_
