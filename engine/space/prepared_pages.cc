#include "engine/space/prepared_pages.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace espalier::space {
namespace {

bool Contains(const PageRun& run, uint64_t page) {
  return page >= run.first && page - run.first < run.count;
}

// Stretches end at multiples of their size, so that large pages of the kernel fit.
uint64_t NextMultiple(uint64_t page, uint64_t size) { return (page / size + 1) * size; }

}  // namespace

void PreparedPages::Load(uint64_t page_count) {
  separate_ = Bitmap(page_count);
  untouched_from_ = page_count;
}

void PreparedPages::WasCut() {
  untouched_from_ = std::min<uint64_t>(untouched_from_, free_->size());
  last_ = {};
}

void PreparedPages::AllAreClean() {
  clean_pages_taken_ = 0;
  last_ = {};
}

// Only free pages, and only such with blocks.
PageRun PreparedPages::FreeStretch(uint64_t first, uint64_t end) const {
  end = std::min({end, free_->FindFirstClear(first + 1), free_->size()});
  return {first, without_blocks_->FindFirstSet(first, end) - first};
}

void PreparedPages::TakePage(uint64_t page) {
  ++clean_pages_taken_;
  if (Contains(last_, page) || TakePreparedAhead(page)) return;
  const uint64_t stretch = std::bit_floor(clean_pages_taken_ / kCleanPagesPerPreparedPage);
  if (page < untouched_from_) {
    const uint64_t pages =
        stretch < kMinStretchPages ? 1 : std::min(stretch, kMaxAgainStretchPages);
    last_ = FreeStretch(page, std::min(page + pages, untouched_from_));
    last_.count = PrepareAgain(last_.first, last_.count);
    return;
  }
  DropAhead();
  untouched_from_ = page + 1;
  if (stretch < kMinStretchPages) return;
  const uint64_t most = kMaxNewStretchBytes / page_bytes_;
  const uint64_t pages = std::min(stretch, most);
  last_ = FreeStretch(page, NextMultiple(page, pages));
  untouched_from_ = page + last_.count;
  file_->PrepareNew(page, last_.count);
  if (pages == most) PrepareAhead();
}

void PreparedPages::PrepareAhead() {
  const uint64_t first = untouched_from_;
  if (first >= free_->size() || !free_->Test(first)) return;
  ahead_ = FreeStretch(first, NextMultiple(first, kMaxNewStretchBytes / page_bytes_));
  if (ahead_.count > 0) file_->PrepareNewAhead(ahead_.first, ahead_.count);
}

// Whether `page` has been prepared ahead. Goes on with what comes behind.
bool PreparedPages::TakePreparedAhead(uint64_t page) {
  if (!Contains(ahead_, page)) return false;
  const PageRun taken = std::exchange(ahead_, {});
  if (!file_->FinishAhead()) return false;
  last_ = taken;
  untouched_from_ = taken.first + taken.count;
  PrepareAhead();
  return true;
}

void PreparedPages::DropAhead() {
  if (ahead_.count > 0) file_->FinishAhead();
  ahead_ = {};
}

void PreparedPages::TakeRun(uint64_t first, uint64_t count) {
  DropAhead();
  const uint64_t end = first + count;
  while (first < std::min(end, untouched_from_)) {
    first += PrepareAgain(first, std::min(end, untouched_from_) - first);
  }
  if (end <= untouched_from_) return;
  const uint64_t first_new = first;
  untouched_from_ = end;
  if ((end - first_new) * page_bytes_ <= kMaxNewRunBytes) {
    file_->PrepareNew(first_new, end - first_new);
  }
}

// What memory does not hold any more is as if it were new: it would be read for nothing.
uint64_t PreparedPages::PrepareAgain(uint64_t first, uint64_t count) {
  const BackingFile::Cached pages = file_->CachedFrom(first, count);
  count = pages.count;
  if (!pages.cached) {
    separate_.ClearRange(first, count);
    file_->PrepareNew(first, count);
    return count;
  }
  if (separate_.CountRange(first, count) < count) {
    file_->Separate(first, count);
    separate_.SetRange(first, count);
  }
  if (count > 1) file_->PrepareAgain(first, count);
  return count;
}

}  // namespace espalier::space
