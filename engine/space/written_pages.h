// Where in the file the pages lie that were written since the last checkpoint, roughly: each
// stretch is a flush of its own, so that there must be few of them.
#ifndef ESPALIER_ENGINE_SPACE_WRITTEN_PAGES_H_
#define ESPALIER_ENGINE_SPACE_WRITTEN_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/bitmap.h"
#include "engine/base/types.h"

namespace espalier::space {

// Makes one of those runs, which are in their order, that lie as close to each other.
void JoinRuns(std::vector<PageRun>& runs, uint64_t largest_gap);

class WrittenPages {
 public:
  void Resize(uint64_t page_count);
  void Add(uint64_t first, uint64_t count);
  // In their order; they hold all pages that were added and that the file has still, and little
  // else.
  std::vector<PageRun> Stretches() const;
  void Clear() { grains_.ClearRange(0, grains_.size()); }

 private:
  static constexpr uint64_t kGrain = 16;
  static constexpr uint64_t kSmallGapPages = 512;
  static constexpr size_t kMaxStretches = 16;

  uint64_t page_count_ = 0;
  Bitmap grains_;  // of so many pages each
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_WRITTEN_PAGES_H_
