// Which pages of the file are in use, free, or waiting (freed_pages.h), and which of the free ones
// are handed out.
//
// Every call needs the writer's lock.
#ifndef ESPALIER_ENGINE_SPACE_PAGE_ALLOCATOR_H_
#define ESPALIER_ENGINE_SPACE_PAGE_ALLOCATOR_H_

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/base/bitmap.h"
#include "engine/base/types.h"
#include "engine/page/page_source.h"
#include "engine/space/backing_file.h"
#include "engine/space/freed_pages.h"
#include "engine/space/prepared_pages.h"
#include "engine/space/written_pages.h"

namespace espalier::space {

// What a checkpoint has to make durable.
struct Unflushed {
  std::vector<PageNumber> nodes;  // those that the newest version reaches, in their order: unsealed
  std::vector<PageRun> stretches;  // few, in their order; they hold all of it, and little else
};

// Whether an allocation may use the last free pages. On a full disk they are kept for what gives
// space back: deletions, and the bookkeeping of commits and checkpoints.
enum class Reserve { kKeep, kMayUse };

class PageAllocator {
 public:
  // The first `reserved_pages` pages are never handed out.
  PageAllocator(uint64_t reserved_pages, uint32_t page_bytes, BackingFile* file);
  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  // At opening: `reachable` are the pages in use, of a file of `page_count` pages; all others are
  // free, whether or not they have disk blocks.
  void Load(Bitmap reachable, uint64_t page_count);

  // A transaction that makes `version`: what it allocates and frees is undone by Rollback() and
  // made final by Commit(). Freed pages then wait for Reclaim().
  void Begin(Version version);
  // Gets the memory that Commit() needs.
  void PrepareCommit();
  void Commit();
  void Rollback();

  // kResourceExhausted when the disk is full.
  absl::StatusOr<PageNumber> AllocatePage(Reserve reserve);
  // `count` consecutive pages.
  absl::StatusOr<PageNumber> AllocateRun(uint64_t count, Reserve reserve);

  // Frees pages born at `birth`. Those of the running transaction are free at once, unless they
  // are a logged run.
  void Free(PageNumber page, Version birth) { FreeRun(page, 1, birth); }
  void FreeRun(PageNumber first, uint64_t count, Version birth, LoggedRun logged = LoggedRun::kNo);

  // Decides about what waits, now that just these versions (ascending) are protected besides the
  // newest published one and all later ones, and `durable` is that of the last checkpoint. May be
  // put off; what was freed then goes on waiting.
  void Reclaim(absl::Span<const Version> protected_versions, Version durable);

  // A record in the log is going to refer to a page of the running transaction, a node that is
  // sealed and not changed any more.
  void NoteLogged(PageNumber page);
  // Whether one may refer to it still, unless a checkpoint has been taken since.
  bool IsLogged(PageNumber page) const { return logged_nodes_.Test(page.value); }
  // Whether the page was handed out as a node since the last checkpoint. One that says to be the
  // running transaction's, and was not, came with a damaged file.
  bool IsNewNode(PageNumber page) const { return unsealed_.Test(page.value) || IsLogged(page); }

  // --- Recovery ----------------------------------------------------------------------------------
  // Keeps a run that the log refers to from being handed out. False if it is not all free.
  bool Withhold(PageNumber first, uint64_t count);
  void GiveBackWithheld(PageNumber first, uint64_t count);
  // The running transaction takes a run that was withheld.
  void AdoptWithheld(PageNumber first, uint64_t count);

  // --- Checkpoints -------------------------------------------------------------------------------
  // What was allocated since the last call.
  Unflushed TakeUnflushed();
  // Pages reachable from the newest version; the space map writes it down.
  const Bitmap& reachable() const { return reachable_; }
  // The parts of `reachable()`, `pages_per_part` pages each, that may have changed since the last
  // call.
  std::vector<uint64_t> TakeChangedParts(uint64_t pages_per_part);
  // One past the last page that the newest version reaches.
  uint64_t reachable_end() const;

  // --- Giving space back -------------------------------------------------------------------------
  // The number of pages without the free ones at the end, but at least the reserved ones.
  uint64_t PagesWithoutFreeTail();
  // The file was cut to `page_count` pages, all of them behind it free.
  void TailWasReleased(uint64_t page_count);
  // Free runs of at least `minimum_pages` pages that have disk blocks; or all, since after an
  // unclean end those that were free at opening may have some.
  enum class Holes { kSkip, kInclude };
  std::vector<PageRun> FindFreeRuns(uint64_t minimum_pages, Holes holes = Holes::kSkip);
  void BlocksWereReleased(const PageRun& run);
  // Whatever the running transaction allocates from now on comes from as near to the front of the
  // file as can be.
  void AllocateFromFront();

  const page::PageSource& source() const { return file_->source(); }

  // --- Figures -----------------------------------------------------------------------------------
  uint64_t page_count() const { return page_count_; }
  uint64_t reserved_pages() const { return reserved_pages_; }
  uint64_t free_pages() const { return free_count_; }
  uint64_t reachable_pages() const { return reachable_count_; }
  uint64_t waiting_pages() const { return waiting_.page_count(); }
  // Pages that wait on each protected version.
  std::vector<std::pair<Version, uint64_t>> WaitingPages() const {
    return waiting_.CountByVersion();
  }
  // For verification: every page that is free, and every page that waits.
  Bitmap FreePages() const;
  Bitmap WaitingPagesBitmap() const;
  // Nodes whose checksum is not written yet.
  const Bitmap& unsealed() const { return unsealed_; }

 private:
  uint64_t GrowthStep(uint64_t needed) const;
  void ResizeBitmaps(uint64_t page_count);
  void ReserveRecord();
  absl::Status GrowFor(uint64_t count, Reserve reserve);
  absl::Status EnsureBlocks(uint64_t first, uint64_t count);
  void MakeFree(const FreedRun& run);
  void MarkReachable(uint64_t first, uint64_t count, bool reachable);
  uint64_t FindSingle(Reserve reserve);
  bool EnterNextWindow();
  void ChooseWindowsAnew();
  void RecordAllocation(uint64_t first, uint64_t count);
  void FlushRecent();

  // Pages kept back for Reserve::kMayUse.
  static constexpr uint64_t kReservePages = 32;
  // Single pages come from windows of this size that have many free ones, if there are any, so that
  // what one checkpoint has to write lies together; and so does then what a later one makes free.
  // In a large file, free pages that lie scattered are not used for this while they are few.
  static constexpr uint64_t kWindowPages = 512;
  static constexpr std::array<uint64_t, 3> kWantedFree = {384, 64, 1};
  static constexpr uint64_t kPagesPerScattered = 16;
  static constexpr uint64_t kFewPages = 64 * kWindowPages;
  // What the stack of recently freed pages holds at the most.
  static constexpr size_t kMaxRecent = 4096;
  // Changes of `reachable_` are noted for parts of this many pages.
  static constexpr uint64_t kChangeGrain = 4096;

  const uint64_t reserved_pages_;
  const uint32_t page_bytes_;
  BackingFile* const file_;

  uint64_t page_count_ = 0;
  Bitmap reachable_;
  Bitmap changed_;         // grains of reachable_
  WrittenPages written_;   // since TakeUnflushed()
  Bitmap unsealed_;        // nodes allocated since then; only those that are reachable count
  Bitmap logged_nodes_;    // as NoteLogged() was told of them, since they were last allocated
  Bitmap free_;            // without those in recent_
  Bitmap without_blocks_;  // free pages that may have no disk blocks
  PreparedPages prepared_{page_bytes_, file_, &free_, &without_blocks_};
  std::vector<uint64_t> recent_;  // free pages that are dirty anyway, and still cached
  uint64_t free_count_ = 0;       // in free_ and recent_
  uint64_t reachable_count_ = 0;
  uint64_t next_single_ = 0;  // where the search for a single page goes on,
  uint64_t window_end_ = 0;   // and ends
  uint64_t next_window_ = 0;  // where it then looks for a window
  size_t wanted_ = 0;         // with kWantedFree[wanted_] free pages
  uint64_t next_run_ = 0;
  bool front_first_ = false;

  // The running transaction's.
  Version running_{0};
  std::vector<PageRun> allocated_;
  std::vector<FreedRun> freed_;

  FreedPages waiting_;  // freed by committed transactions
  Version durable_{0};
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_PAGE_ALLOCATOR_H_
