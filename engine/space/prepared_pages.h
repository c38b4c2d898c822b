// Has the kernel prepare free pages before the first store to them since the last checkpoint, many
// at a time (docs/decisions/0013, 0025).
#ifndef ESPALIER_ENGINE_SPACE_PREPARED_PAGES_H_
#define ESPALIER_ENGINE_SPACE_PREPARED_PAGES_H_

#include <cstdint>

#include "engine/base/bitmap.h"
#include "engine/base/types.h"
#include "engine/space/backing_file.h"

namespace espalier::space {

// Needs the writer's lock.
class PreparedPages {
 public:
  // `free` and `without_blocks` are the allocator's, a bit for each page of the file.
  PreparedPages(uint32_t page_bytes, BackingFile* file, const Bitmap* free,
                const Bitmap* without_blocks)
      : page_bytes_(page_bytes), file_(file), free_(free), without_blocks_(without_blocks) {}

  // No page of the file is new.
  void Load(uint64_t page_count);
  void Resize(uint64_t page_count) { separate_.Resize(page_count); }
  // Before pages are handed out that are free still and were not stored to since the last
  // checkpoint: one, and with it a stretch behind it; or a run.
  void TakePage(uint64_t page);
  void TakeRun(uint64_t first, uint64_t count);
  // A checkpoint.
  void AllAreClean();
  // Before the file is cut: nothing is being prepared any more.
  void DropAhead();
  // To the size that `free` has.
  void WasCut();

 private:
  // Returns how many of the run it prepared.
  uint64_t PrepareAgain(uint64_t first, uint64_t count);
  void PrepareAhead();
  bool TakePreparedAhead(uint64_t page);
  PageRun FreeStretch(uint64_t first, uint64_t end) const;

  // Who has taken many clean pages since the last checkpoint will take more: they are prepared in
  // stretches of up to a quarter of what was taken, which bounds what is written for nothing. A
  // stretch of new pages has at most the size that one entry of the processor's address
  // translation can cover. Who takes those has the next one prepared meanwhile.
  static constexpr uint64_t kCleanPagesPerPreparedPage = 4;
  static constexpr uint64_t kMaxNewStretchBytes = uint64_t{2} << 20;
  static constexpr uint64_t kMaxAgainStretchPages = 64;
  // Below this, the first store does as well.
  static constexpr uint64_t kMinStretchPages = 16;
  // A new run that is larger than this is left to its first stores.
  static constexpr uint64_t kMaxNewRunBytes = uint64_t{64} << 20;
  const uint32_t page_bytes_;
  BackingFile* const file_;
  const Bitmap* const free_;
  const Bitmap* const without_blocks_;

  Bitmap separate_;  // asked for by BackingFile::Separate()
  // The pages from here on came with Grow() and were never handed out.
  uint64_t untouched_from_ = 0;
  // Pages taken since the last checkpoint that were not stored to since then.
  uint64_t clean_pages_taken_ = 0;
  PageRun last_;   // the stretch that was prepared last
  PageRun ahead_;  // what is being prepared ahead
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_PREPARED_PAGES_H_
