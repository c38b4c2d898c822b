#include "engine/space/written_pages.h"

#include <algorithm>
#include <cstddef>

#include "engine/base/mutant.h"

namespace espalier::space {

void JoinRuns(std::vector<PageRun>& runs, uint64_t largest_gap) {
  size_t last = 0;
  for (size_t i = 1; i < runs.size(); ++i) {
    const PageRun next = runs[i];
    PageRun& before = runs[last];
    if (next.first - (before.first + before.count) <= largest_gap) {
      before.count = next.first + next.count - before.first;
    } else {
      runs[++last] = next;
    }
  }
  if (!runs.empty()) runs.resize(last + 1);
}

void WrittenPages::Resize(uint64_t page_count) {
  page_count_ = page_count;
  grains_.Resize(page_count / kGrain + 1);
}

void WrittenPages::Add(uint64_t first, uint64_t count) {
  if (count > 1 && IsMutant(Mutant::kFlushNodesOnly)) return;
  const uint64_t first_grain = first / kGrain;
  grains_.SetRange(first_grain, (first + count - 1) / kGrain - first_grain + 1);
}

std::vector<PageRun> WrittenPages::Stretches() const {
  std::vector<PageRun> stretches;
  for (uint64_t grain = grains_.FindFirstSet(0); grain < grains_.size();) {
    const uint64_t end = grains_.FindFirstClear(grain);
    // The file may have been cut since.
    const uint64_t first = std::min(grain * kGrain, page_count_);
    const uint64_t count = std::min(end * kGrain, page_count_) - first;
    if (count > 0) stretches.push_back({first, count});
    grain = grains_.FindFirstSet(end);
  }
  JoinRuns(stretches, kSmallGapPages);
  if (stretches.size() <= kMaxStretches) return stretches;
  // Only the largest gaps stay.
  std::vector<uint64_t> gaps;
  for (size_t i = 1; i < stretches.size(); ++i) {
    gaps.push_back(stretches[i].first - (stretches[i - 1].first + stretches[i - 1].count));
  }
  const auto largest_closed = gaps.end() - static_cast<ptrdiff_t>(kMaxStretches);
  std::nth_element(gaps.begin(), largest_closed, gaps.end());
  JoinRuns(stretches, *largest_closed);
  return stretches;
}

}  // namespace espalier::space
