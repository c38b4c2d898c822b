// Giving free space back to the file system, after a checkpoint: the end of the file is cut off,
// holes are punched inside.
#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/txn/engine.h"

namespace espalier::txn {
namespace {

// Free space inside of the file is given back from this many bytes in a row on; where nobody is
// about to use it again, from fewer, though not in any number of holes.
constexpr uint64_t kLargeHoleBytes = uint64_t{1} << 20;
constexpr uint64_t kSmallHoleBytes = uint64_t{64} << 10;
constexpr size_t kMaxSmallHoles = 8192;

}  // namespace

// What the file system refuses, or takes memory that there is not, stays for the next time. Nothing
// goes once a flush has failed: the slot that it was for may be on the disk, and what that refers
// to must stay. A checkpoint that fails poisons before it lets go of its version's pages, so that
// this is known here if they were reclaimed.
absl::Status Engine::GiveSpaceBack(GiveBack what, uint64_t kept_pages) {
  ReclaimPages();
  ESPALIER_RETURN_IF_ERROR(PoisonStatus());
  try {
    CutTail(what, kept_pages);
    PunchHoles(what, kept_pages);
  } catch (const std::bad_alloc&) {
  }
  return absl::OkStatus();
}

void Engine::CutTail(GiveBack what, uint64_t kept_pages) {
  const uint64_t needed = allocator_->PagesWithoutFreeTail();
  // A file that goes on growing would only grow again what a checkpoint takes away.
  const uint64_t tail =
      what == GiveBack::kAll ? 0 : std::max<uint64_t>({needed / 16, 64, kept_pages});
  if (allocator_->page_count() > needed + tail &&
      file_.Truncate((needed + tail) << page_shift_).ok()) {
    allocator_->TailWasReleased(needed + tail);
    file_pages_.store(needed + tail);
  }
}

// Those at the front stay.
void Engine::PunchHoles(GiveBack what, uint64_t kept_pages) {
  const bool all = what == GiveBack::kAll;
  const uint64_t hole_bytes = all ? kSmallHoleBytes : kLargeHoleBytes;
  const uint64_t hole_pages = std::max<uint64_t>(hole_bytes >> page_shift_, 1);
  std::vector<PageRun> runs =
      allocator_->FindFreeRuns(hole_pages, all && !std::exchange(holes_are_known_, true)
                                               ? space::PageAllocator::Holes::kInclude
                                               : space::PageAllocator::Holes::kSkip);
  if (all && runs.size() > kMaxSmallHoles) {
    const auto end = runs.begin() + kMaxSmallHoles;
    std::nth_element(runs.begin(), end, runs.end(),
                     [](const auto& left, const auto& right) { return left.count > right.count; });
    runs.erase(end, runs.end());
  }
  for (PageRun run : runs) {
    const uint64_t kept = std::min(kept_pages, run.count);
    kept_pages -= kept;
    run = {run.first + kept, run.count - kept};
    if (run.count < hole_pages) continue;
    const absl::StatusOr<bool> punched =
        file_.PunchHole(run.first << page_shift_, run.count << page_shift_);
    if (!punched.ok() || !*punched) break;
    if (IsMutant(Mutant::kForgetHoles)) continue;
    allocator_->BlocksWereReleased(run);
  }
}

}  // namespace espalier::txn
