#include "engine/tree/cursor.h"

#include <cstdlib>

#include "engine/page/inner.h"

namespace espalier::tree {

using page::ChildRef;
using page::Inner;

void Cursor::Reset(const page::PageReader& reader, const page::TreeRoot& root) {
  reader_ = reader;
  root_ = root;
  valid_ = false;
}

bool Cursor::Fail(ChildRef ref, uint32_t level) {
  status_ = reader_.Explain(ref, level);
  return Stop();
}

bool Cursor::Stop() {
  valid_ = false;
  return false;
}

void Cursor::SpreadUpcomingOver(uint32_t steps) {
  // Whole cache lines, and the first steps fetch more than their share: better early than late.
  const size_t share = reader_.source().page_bytes() / std::max(1u, steps);
  upcoming_step_lines_ = share / kCacheLineBytes + 2;
}

bool Cursor::EnterLeaf() {
  leaf_size_ = leaf().size();
  upcoming_ = upcoming_end_ = nullptr;
  if (root_.height > 1) {
    const Inner parent(steps_[1].page);
    const uint32_t next = steps_[1].index + 1;
    if (next < parent.size()) {
      const ChildRef ref = parent.child(next);
      if (ref.number().value < reader_.page_limit()) {
        upcoming_ = reader_.source().read_page(ref.number());
        upcoming_end_ = upcoming_ + reader_.source().page_bytes();
        SpreadUpcomingOver(leaf_size_);
      }
    }
  }
  fetch_records_ = false;
  return leaf_size_ > 0;
}

bool Cursor::DescendToEdge(uint32_t level, bool last) {
  while (level > 0) {
    const Inner inner(steps_[level].page);
    const ChildRef ref = inner.child(steps_[level].index);
    --level;
    const uint8_t* const page = reader_.Fetch(ref, level);
    if (page == nullptr) return Fail(ref, level);
    const uint32_t size = page::HeaderOf(page).entry_count;
    steps_[level] = {page, last && size > 0 ? size - 1 : 0};
  }
  return true;
}

void Cursor::Begin() {
  valid_ = false;
  leaves_passed_ = 0;
  look_interval_ = leaves_until_look_ = kShortestLookInterval;
  looks_left_ = 0;
  major_faults_.reset();
  announced_parent_ = nullptr;
  status_ = absl::OkStatus();
}

bool Cursor::First() {
  Begin();
  if (root_.height == 0) return false;
  const uint32_t top = root_.height - 1;
  const uint8_t* const page = reader_.Fetch(root_.ref, top);
  if (page == nullptr) return Fail(root_.ref, top);
  steps_[top] = {page, 0};
  if (!DescendToEdge(top, false)) return false;
  leaf_index_ = 0;
  valid_ = EnterLeaf() || NextLeaf();
  return valid_;
}

bool Cursor::Last() {
  Begin();
  if (root_.height == 0) return false;
  const uint32_t top = root_.height - 1;
  const uint8_t* const page = reader_.Fetch(root_.ref, top);
  if (page == nullptr) return Fail(root_.ref, top);
  const uint32_t size = page::HeaderOf(page).entry_count;
  steps_[top] = {page, size > 0 ? size - 1 : 0};
  if (!DescendToEdge(top, true)) return false;
  if (!EnterLeaf()) {
    valid_ = PrevLeaf();
  } else {
    leaf_index_ = leaf_size_ - 1;
    valid_ = true;
  }
  return valid_;
}

bool Cursor::SeekLowerBound(std::string_view key) {
  Begin();
  if (root_.height == 0) return false;
  ChildRef ref = root_.ref;
  for (uint32_t level = root_.height - 1; level > 0; --level) {
    const uint8_t* const page = reader_.Fetch(ref, level);
    if (page == nullptr) return Fail(ref, level);
    const Inner inner(page);
    steps_[level] = {page, inner.FindChild(key)};
    ref = inner.child(steps_[level].index);
    if (level == 1) {
      // The leaf, and those that a short scan passes, so that the walks through the page table,
      // which take longer than all else, overlap.
      const uint32_t end = std::min(inner.size(), steps_[1].index + kLeavesAtSeek);
      for (uint32_t i = steps_[1].index; i < end; ++i) reader_.PrefetchNode(inner.child(i), 0);
    }
  }
  const uint8_t* const page = reader_.Fetch(ref, 0);
  if (page == nullptr) return Fail(ref, 0);
  steps_[0] = {page, 0};
  EnterLeaf();
  leaf_index_ = leaf().Find(key).index;
  fetch_records_ = true;
  // What is left of this leaf may be few steps: all of the next leaf must come with them.
  SpreadUpcomingOver(leaf_size_ - std::min(leaf_size_, leaf_index_));
  valid_ = leaf_index_ < leaf_size_ || NextLeaf();
  return valid_;
}

bool Cursor::Select(uint64_t index) {
  Begin();
  if (root_.height == 0) return false;
  ChildRef ref = root_.ref;
  for (uint32_t level = root_.height - 1; level > 0; --level) {
    const uint8_t* const page = reader_.Fetch(ref, level);
    if (page == nullptr) return Fail(ref, level);
    const Inner inner(page);
    uint32_t child = 0;
    while (child < inner.size() && index >= inner.count(child)) index -= inner.count(child++);
    if (child == inner.size()) return false;
    steps_[level] = {page, child};
    ref = inner.child(child);
  }
  const uint8_t* const page = reader_.Fetch(ref, 0);
  if (page == nullptr) return Fail(ref, 0);
  steps_[0] = {page, 0};
  EnterLeaf();
  leaf_index_ = static_cast<uint32_t>(index);
  valid_ = index < leaf_size_;
  return valid_;
}

bool Cursor::Next() {
  if (!valid_) return false;
  if (NextInLeaf()) return true;
  valid_ = NextLeaf();
  return valid_;
}

bool Cursor::CountLeaves(int64_t step) {
  leaves_passed_ += step;
  if (static_cast<uint64_t>(std::abs(leaves_passed_)) <= reader_.page_limit()) return true;
  status_ = reader_.source().DataLoss("a tree has more leaves than the file has pages");
  return Stop();
}

void Cursor::LookAhead() {
  if (--leaves_until_look_ > 0) return;
  const uint64_t faults = os::MajorFaults();
  if (major_faults_.has_value() && faults != *major_faults_) looks_left_ = kLooksAfterWait;
  major_faults_ = faults;
  // A scan that does not wait looks less and less often.
  look_interval_ =
      looks_left_ > 0 ? kShortestLookInterval : std::min(2 * look_interval_, kLongestLookInterval);
  leaves_until_look_ = look_interval_;
  if (looks_left_ == 0) return;
  --looks_left_;
  const Inner parent(steps_[1].page);
  if (announced_parent_ != parent.page()) {
    announced_parent_ = parent.page();
    announced_end_ = 0;
  }
  const uint32_t first = std::max(announced_end_, steps_[1].index + 1);
  const uint32_t end = std::min(parent.size(), steps_[1].index + 1 + kLeavesAnnounced);
  for (uint32_t i = first; i < end; ++i) reader_.AnnounceNode(parent.child(i));
  announced_end_ = std::max(announced_end_, end);
}

bool Cursor::NextLeaf() {
  // Leaves without entries are passed over.
  while (true) {
    uint32_t level = 1;
    while (level < root_.height &&
           steps_[level].index + 1 >= page::HeaderOf(steps_[level].page).entry_count) {
      ++level;
    }
    if (level >= root_.height) return Stop();
    if (!CountLeaves(1)) return false;
    ++steps_[level].index;
    if (!DescendToEdge(level, false)) return false;
    LookAhead();
    leaf_index_ = 0;
    if (EnterLeaf()) return true;
  }
}

bool Cursor::Prev() {
  if (!valid_) return false;
  if (leaf_index_ > 0) {
    --leaf_index_;
    return true;
  }
  valid_ = PrevLeaf();
  return valid_;
}

bool Cursor::PrevLeaf() {
  while (true) {
    uint32_t level = 1;
    while (level < root_.height && steps_[level].index == 0) ++level;
    if (level >= root_.height) return Stop();
    if (!CountLeaves(-1)) return false;
    --steps_[level].index;
    if (!DescendToEdge(level, true)) return false;
    if (EnterLeaf()) {
      leaf_index_ = leaf_size_ - 1;
      return true;
    }
  }
}

}  // namespace espalier::tree
