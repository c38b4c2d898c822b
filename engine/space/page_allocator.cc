#include "engine/space/page_allocator.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "absl/cleanup/cleanup.h"
#include "engine/base/mutant.h"
#include "engine/base/prefetch.h"
#include "engine/base/status_macros.h"

namespace espalier::space {
PageAllocator::PageAllocator(uint64_t reserved_pages, uint32_t page_bytes, BackingFile* file)
    : reserved_pages_(reserved_pages), page_bytes_(page_bytes), file_(file) {}

void PageAllocator::Load(Bitmap reachable, uint64_t page_count) {
  page_count_ = page_count;
  reachable_ = std::move(reachable);
  reachable_.Resize(page_count);
  reachable_count_ = reachable_.Count();
  changed_ = Bitmap(page_count / kChangeGrain + 1);
  written_.Resize(page_count);
  unsealed_ = Bitmap(page_count);
  logged_nodes_ = Bitmap(page_count);
  free_ = Bitmap(page_count);
  for (uint64_t page = reserved_pages_; page < page_count;) {
    const uint64_t begin = reachable_.FindFirstClear(page);
    if (begin >= page_count) break;
    const uint64_t end = reachable_.FindFirstSet(begin);
    free_.SetRange(begin, end - begin);
    page = end;
  }
  without_blocks_ = free_;
  prepared_.Load(page_count);
  free_count_ = free_.Count();
  recent_.reserve(kMaxRecent);
}

void PageAllocator::Begin(Version version) {
  assert(allocated_.empty() && freed_.empty());
  running_ = version;
}

void PageAllocator::PrepareCommit() { waiting_.Reserve(freed_.size()); }

void PageAllocator::Commit() {
  allocated_.clear();
  front_first_ = false;
  for (const FreedRun& run : freed_) waiting_.Add(run, running_);
  freed_.clear();
}

void PageAllocator::Rollback() {
  front_first_ = false;
  FlushRecent();
  // First, since logged runs may have been allocated by the transaction itself.
  for (const FreedRun& run : freed_) MarkReachable(run.first, run.count, true);
  for (const PageRun& run : allocated_) {
    // Some of these were freed again by the transaction itself.
    for (uint64_t page = run.first; page < run.first + run.count; ++page) {
      if (free_.Test(page)) continue;
      MarkReachable(page, 1, false);
      free_.Set(page);
      ++free_count_;
    }
  }
  allocated_.clear();
  freed_.clear();
}

void PageAllocator::MarkReachable(uint64_t first, uint64_t count, bool reachable) {
  if (count == 1) {
    if (reachable) {
      reachable_.Set(first);
    } else {
      reachable_.Clear(first);
    }
    changed_.Set(first / kChangeGrain);
  } else {
    if (reachable) {
      reachable_.SetRange(first, count);
    } else {
      reachable_.ClearRange(first, count);
    }
    changed_.SetRange(first / kChangeGrain,
                      (first + count - 1) / kChangeGrain - first / kChangeGrain + 1);
  }
  if (reachable) {
    reachable_count_ += count;
  } else {
    reachable_count_ -= count;
  }
}

uint64_t PageAllocator::GrowthStep(uint64_t needed) const {
  constexpr uint64_t kMaxStepBytes = uint64_t{32} << 20;
  const uint64_t proportional = page_count_ / 8 + 1;
  return std::max(needed, std::min(proportional, kMaxStepBytes / page_bytes_));
}

absl::Status PageAllocator::GrowFor(uint64_t count, Reserve reserve) {
  // Enough for the request and, unless it may use it, the reserve; that much less generously when
  // the disk is nearly full.
  const uint64_t kept = reserve == Reserve::kKeep ? kReservePages : 0;
  const uint64_t step = GrowthStep(count + kept);
  // First what memory may be missing for.
  absl::Cleanup restore = [&] { ResizeBitmaps(page_count_); };
  ResizeBitmaps(page_count_ + step);
  absl::Status status = file_->Grow(page_count_ + step);
  uint64_t grown = step;
  if (!status.ok() && step > count + kept) {
    grown = count + kept;
    status = file_->Grow(page_count_ + grown);
  }
  ESPALIER_RETURN_IF_ERROR(status);
  std::move(restore).Cancel();
  const uint64_t first = page_count_;
  page_count_ += grown;
  ResizeBitmaps(page_count_);
  free_.SetRange(first, grown);
  free_count_ += grown;
  ChooseWindowsAnew();
  return absl::OkStatus();
}

void PageAllocator::ResizeBitmaps(uint64_t page_count) {
  reachable_.Resize(page_count);
  changed_.Resize(page_count / kChangeGrain + 1);
  written_.Resize(page_count);
  unsealed_.Resize(page_count);
  prepared_.Resize(page_count);
  logged_nodes_.Resize(page_count);
  free_.Resize(page_count);
  without_blocks_.Resize(page_count);
}

absl::Status PageAllocator::EnsureBlocks(uint64_t first, uint64_t count) {
  const uint64_t hole = without_blocks_.FindFirstSet(first, first + count);
  if (hole == first + count) return absl::OkStatus();
  // While at it, a whole stretch: it is one system call for each.
  constexpr uint64_t kStretchPages = 256;
  const uint64_t end_of_holes = without_blocks_.FindFirstClear(hole);
  uint64_t end = std::max(first + count, std::min(end_of_holes, first + kStretchPages));
  absl::Status status = file_->AllocateBlocks(first, end - first);
  if (!status.ok() && end > first + count) {
    end = first + count;
    status = file_->AllocateBlocks(first, count);
  }
  ESPALIER_RETURN_IF_ERROR(status);
  without_blocks_.ClearRange(first, end - first);
  return absl::OkStatus();
}

// Before an allocation changes anything, so that it can be recorded without memory for that.
void PageAllocator::ReserveRecord() {
  if (allocated_.size() == allocated_.capacity()) {
    allocated_.reserve(std::max<size_t>(16, 2 * allocated_.size()));
  }
}

void PageAllocator::RecordAllocation(uint64_t first, uint64_t count) {
  free_count_ -= count;
  logged_nodes_.ClearRange(first, count);
  MarkReachable(first, count, true);
  written_.Add(first, count);
  if (!allocated_.empty() && allocated_.back().first + allocated_.back().count == first) {
    allocated_.back().count += count;
  } else {
    allocated_.push_back({first, count});
  }
}

// There is one.
uint64_t PageAllocator::FindSingle(Reserve reserve) {
  if (front_first_) {
    const uint64_t page = free_.FindFirstSet(next_single_);
    return page < page_count_ ? page : free_.FindFirstSet(0);
  }
  while (true) {
    const uint64_t end = std::min(window_end_, page_count_);
    const uint64_t page = free_.FindFirstSet(std::min(next_single_, end), end);
    if (page < end) return page;
    if (EnterNextWindow()) continue;
    next_window_ = 0;
    if (wanted_ + 1 == kWantedFree.size()) continue;
    ++wanted_;
    const bool few = free_count_ <= page_count_ / kPagesPerScattered;
    if (wanted_ + 1 == kWantedFree.size() && few && page_count_ >= kFewPages) {
      // On a full disk the scattered ones will do.
      GrowFor(1, reserve).IgnoreError();
    }
  }
}

bool PageAllocator::EnterNextWindow() {
  for (; next_window_ < page_count_; next_window_ += kWindowPages) {
    const uint64_t count = std::min(kWindowPages, page_count_ - next_window_);
    if (free_.CountRange(next_window_, count) < kWantedFree[wanted_]) continue;
    next_single_ = next_window_;
    next_window_ += kWindowPages;
    window_end_ = next_window_;
    return true;
  }
  return false;
}

void PageAllocator::ChooseWindowsAnew() {
  next_window_ = 0;
  wanted_ = 0;
}

absl::StatusOr<PageNumber> PageAllocator::AllocatePage(Reserve reserve) {
  ReserveRecord();
  if (free_count_ == 0 || (reserve == Reserve::kKeep && free_count_ <= kReservePages)) {
    ESPALIER_RETURN_IF_ERROR(GrowFor(1, reserve));
  }
  uint64_t page;
  if (!recent_.empty()) {
    page = recent_.back();
    recent_.pop_back();
  } else {
    page = FindSingle(reserve);
    ESPALIER_RETURN_IF_ERROR(EnsureBlocks(page, 1));
    if (!unsealed_.Test(page)) prepared_.TakePage(page);
    free_.Clear(page);
    next_single_ = page + 1;
    // The next one is likely to be this one's neighbour.
    PrefetchLinesToWrite(file_->source().read_page(PageNumber(page)) + page_bytes_,
                         page::kMinPageBytes / kCacheLineBytes);
  }
  RecordAllocation(page, 1);
  unsealed_.Set(page);
  return PageNumber(page);
}

absl::StatusOr<PageNumber> PageAllocator::AllocateRun(uint64_t count, Reserve reserve) {
  ReserveRecord();
  std::optional<size_t> run;
  const uint64_t kept = reserve == Reserve::kKeep ? kReservePages : 0;
  if (free_count_ >= count + kept) {
    run = free_.FindRunOfSet(std::min(next_run_, page_count_), count);
    if (!run.has_value() && next_run_ > 0) run = free_.FindRunOfSet(0, count);
  }
  if (!run.has_value()) {
    // The free pages at the end of the file are the beginning of the run.
    const uint64_t begin = PagesWithoutFreeTail();
    const uint64_t missing = begin + count > page_count_ ? begin + count - page_count_ : 0;
    if (missing > 0 || free_count_ < count + kept) {
      ESPALIER_RETURN_IF_ERROR(GrowFor(missing, reserve));
    }
    run = begin;
  }
  ESPALIER_RETURN_IF_ERROR(EnsureBlocks(*run, count));
  prepared_.TakeRun(*run, count);
  free_.ClearRange(*run, count);
  unsealed_.ClearRange(*run, count);  // from an earlier life as a node
  next_run_ = front_first_ ? 0 : *run + count;
  RecordAllocation(*run, count);
  return PageNumber(*run);
}

void PageAllocator::NoteLogged(PageNumber page) {
  logged_nodes_.Set(page.value);
  unsealed_.Clear(page.value);
}

void PageAllocator::FreeRun(PageNumber first, uint64_t count, Version birth, LoggedRun logged) {
  if (birth == running_ && logged == LoggedRun::kNo) {
    MarkReachable(first.value, count, false);
    MakeFree({first.value, count, birth, logged});
  } else {
    // Not built and then copied: to load what was stored just now in other pieces, the processor
    // would wait until all stores before it are done, those of the copied page as well.
    FreedRun& run = freed_.emplace_back();
    run.first = first.value;
    run.count = count;
    run.birth = birth;
    run.logged = logged;
    MarkReachable(first.value, count, false);
  }
}

void PageAllocator::MakeFree(const FreedRun& run) {
  free_count_ += run.count;
  if (run.count == 1 && unsealed_.Test(run.first) && recent_.size() < kMaxRecent && !front_first_) {
    recent_.push_back(run.first);
  } else {
    free_.SetRange(run.first, run.count);
    if (front_first_) next_single_ = std::min(next_single_, run.first);
  }
}

void PageAllocator::FlushRecent() {
  for (const uint64_t page : recent_) free_.Set(page);
  recent_.clear();
}

void PageAllocator::Reclaim(absl::Span<const Version> protected_versions, Version durable) {
  if (durable != durable_) {
    durable_ = durable;
    ChooseWindowsAnew();
  }
  waiting_.Decide(protected_versions, durable, [this](const FreedRun& run) { MakeFree(run); });
}

bool PageAllocator::Withhold(PageNumber first, uint64_t count) {
  FlushRecent();
  if (first.value < reserved_pages_ || count == 0 || first.value >= page_count_ ||
      count > page_count_ - first.value || free_.CountRange(first.value, count) != count) {
    return false;
  }
  free_.ClearRange(first.value, count);
  without_blocks_.ClearRange(first.value, count);
  free_count_ -= count;
  return true;
}

void PageAllocator::GiveBackWithheld(PageNumber first, uint64_t count) {
  free_.SetRange(first.value, count);
  without_blocks_.SetRange(first.value, count);
  free_count_ += count;
}

void PageAllocator::AdoptWithheld(PageNumber first, uint64_t count) {
  MarkReachable(first.value, count, true);
  written_.Add(first.value, count);
  allocated_.push_back({first.value, count});
}

// Where memory runs out, nothing was taken.
Unflushed PageAllocator::TakeUnflushed() {
  Unflushed taken;
  for (uint64_t page = unsealed_.FindFirstSet(0); page < unsealed_.size();
       page = unsealed_.FindFirstSet(page + 1)) {
    if (reachable_.Test(page)) taken.nodes.emplace_back(page);
  }
  taken.stretches = written_.Stretches();
  // What was freed just now was written before the flush and is no longer warm and dirty after it.
  FlushRecent();
  unsealed_.ClearRange(0, unsealed_.size());
  written_.Clear();
  prepared_.AllAreClean();
  return taken;
}

std::vector<uint64_t> PageAllocator::TakeChangedParts(uint64_t pages_per_part) {
  std::vector<uint64_t> parts;
  for (uint64_t grain = changed_.FindFirstSet(0); grain < changed_.size();
       grain = changed_.FindFirstSet(grain + 1)) {
    const uint64_t first_part = grain * kChangeGrain / pages_per_part;
    const uint64_t last_part = (grain * kChangeGrain + kChangeGrain - 1) / pages_per_part;
    for (uint64_t part = first_part; part <= last_part; ++part) {
      if (parts.empty() || parts.back() < part) parts.push_back(part);
    }
  }
  changed_ = Bitmap(changed_.size());
  return parts;
}

uint64_t PageAllocator::reachable_end() const {
  const std::optional<size_t> last = reachable_.FindLastSet();
  return last.has_value() ? *last + 1 : reserved_pages_;
}

uint64_t PageAllocator::PagesWithoutFreeTail() {
  prepared_.DropAhead();
  FlushRecent();
  uint64_t end = page_count_;
  while (end > reserved_pages_) {
    // A word at a time where all of it is free.
    if (end % 64 == 0 && end - reserved_pages_ >= 64 &&
        free_.words()[end / 64 - 1] == ~uint64_t{0}) {
      end -= 64;
    } else if (free_.Test(end - 1) ||
               (IsMutant(Mutant::kTruncateWaitingPages) && !reachable_.Test(end - 1))) {
      --end;
    } else {
      break;
    }
  }
  return end;
}

void PageAllocator::TailWasReleased(uint64_t page_count) {
  assert(recent_.empty());
  free_count_ -= page_count_ - page_count;
  page_count_ = page_count;
  ResizeBitmaps(page_count_);
  prepared_.WasCut();
  next_single_ = std::min(next_single_, page_count_);
  next_run_ = std::min(next_run_, page_count_);
}

std::vector<PageRun> PageAllocator::FindFreeRuns(uint64_t minimum_pages, Holes holes) {
  FlushRecent();
  std::vector<PageRun> runs;
  for (uint64_t page = free_.FindFirstSet(0); page < page_count_;) {
    const uint64_t end = free_.FindFirstClear(page);
    if (end - page >= minimum_pages &&
        (holes == Holes::kInclude || without_blocks_.CountRange(page, end - page) < end - page)) {
      runs.push_back({page, end - page});
    }
    page = free_.FindFirstSet(end);
  }
  return runs;
}

void PageAllocator::BlocksWereReleased(const PageRun& run) {
  without_blocks_.SetRange(run.first, run.count);
}

void PageAllocator::AllocateFromFront() {
  FlushRecent();
  front_first_ = true;
  next_single_ = 0;
  window_end_ = 0;
  next_run_ = 0;
}

Bitmap PageAllocator::FreePages() const {
  Bitmap pages = free_;
  for (const uint64_t page : recent_) pages.Set(page);
  return pages;
}

Bitmap PageAllocator::WaitingPagesBitmap() const {
  Bitmap pages(page_count_);
  waiting_.AddTo(pages);
  return pages;
}

}  // namespace espalier::space
