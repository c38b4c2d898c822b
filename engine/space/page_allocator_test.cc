#include "engine/space/page_allocator.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/status_for_testing.h"
#include "engine/space/memory_file_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::space {
namespace {

constexpr uint64_t kReserved = 9;

class PageAllocatorTest : public ::testing::Test {
 protected:
  PageAllocatorTest() { allocator_.Load(Bitmap(kReserved), kReserved); }

  uint64_t AllocateOne(Reserve reserve = Reserve::kKeep) {
    const absl::StatusOr<PageNumber> page = allocator_.AllocatePage(reserve);
    EXPECT_THAT(page, IsOk());
    return page.ok() ? page->value : 0;
  }

  MemoryFile file_{1 << 20};
  PageAllocator allocator_{kReserved, MemoryFile::kPageBytes, &file_};
};

TEST_F(PageAllocatorTest, OwnPagesAreFreeAtOnce) {
  allocator_.Begin(Version(2));
  const uint64_t page = AllocateOne();
  EXPECT_GE(page, kReserved);
  allocator_.Free(PageNumber(page), Version(2));
  EXPECT_EQ(AllocateOne(), page);  // the warm one first
  allocator_.Commit();
}

TEST_F(PageAllocatorTest, FreedPagesWaitForTheYoungestVersionThatSeesThem) {
  allocator_.Begin(Version(2));
  const PageNumber page(AllocateOne());
  allocator_.Commit();
  allocator_.Begin(Version(9));
  allocator_.Free(page, Version(2));
  allocator_.Commit();
  // Born at 2, freed by 9: 1 and 9 do not see it, 3 and 5 do.
  const std::vector<Version> four = {Version(1), Version(3), Version(5), Version(9)};
  allocator_.Reclaim(four, Version(0));
  EXPECT_EQ(allocator_.WaitingPages(),
            (std::vector<std::pair<Version, uint64_t>>{{Version(5), 1}}));
  const std::vector<Version> three = {Version(1), Version(3), Version(9)};
  allocator_.Reclaim(three, Version(0));
  EXPECT_EQ(allocator_.WaitingPages(),
            (std::vector<std::pair<Version, uint64_t>>{{Version(3), 1}}));
  const std::vector<Version> two = {Version(1), Version(9)};
  allocator_.Reclaim(two, Version(0));
  EXPECT_EQ(allocator_.waiting_pages(), 0u);
  allocator_.Begin(Version(10));
  EXPECT_EQ(AllocateOne(), page.value);
  allocator_.Commit();
}

TEST_F(PageAllocatorTest, FullDiskLeavesAReserveForWhatGivesSpaceBack) {
  file_.set_limit_pages(kReserved + 100);
  allocator_.Begin(Version(2));
  uint64_t pages = 0;
  while (allocator_.AllocatePage(Reserve::kKeep).ok()) ++pages;
  EXPECT_THAT(allocator_.AllocatePage(Reserve::kKeep),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(allocator_.AllocateRun(5, Reserve::kKeep),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_GE(allocator_.free_pages(), 32u);
  while (allocator_.AllocatePage(Reserve::kMayUse).ok()) ++pages;
  EXPECT_EQ(pages, 100u);
  EXPECT_EQ(allocator_.free_pages(), 0u);
  allocator_.Rollback();
  EXPECT_EQ(allocator_.free_pages(), 100u);
  EXPECT_EQ(allocator_.reachable_pages(), 0u);
}

TEST_F(PageAllocatorTest, PunchedPagesGetBlocksBeforeTheyAreHandedOut) {
  file_.StartSparse(1000);
  allocator_.Load(Bitmap(1000), 1000);
  allocator_.Begin(Version(2));
  file_.set_blocks_full(true);
  EXPECT_THAT(allocator_.AllocatePage(Reserve::kKeep),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(allocator_.AllocateRun(3, Reserve::kKeep),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(allocator_.free_pages(), 1000 - kReserved);
  file_.set_blocks_full(false);
  EXPECT_TRUE(file_.blocks().Test(AllocateOne()));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const PageNumber run, allocator_.AllocateRun(300, Reserve::kKeep));
  EXPECT_EQ(file_.blocks().CountRange(run.value, 300), 300u);
  allocator_.Commit();
}

TEST_F(PageAllocatorTest, FrontFirst) {
  allocator_.Begin(Version(2));
  std::vector<uint64_t> pages(200);
  for (uint64_t& page : pages) page = AllocateOne();
  allocator_.Commit();
  allocator_.Begin(Version(3));
  for (const uint64_t page : {pages[150], pages[20], pages[90]}) {
    allocator_.Free(PageNumber(page), Version(2));
  }
  allocator_.Commit();
  allocator_.Reclaim({}, Version(0));
  allocator_.Begin(Version(4));
  allocator_.AllocateFromFront();
  EXPECT_EQ(AllocateOne(), pages[20]);
  EXPECT_EQ(AllocateOne(), pages[90]);
  EXPECT_EQ(AllocateOne(), pages[150]);
  allocator_.Commit();
}

// Grows with what is taken, so that little is written for nothing; aligned, so that it can be one
// large folio.
TEST_F(PageAllocatorTest, NewPagesArePreparedInGrowingStretches) {
  constexpr uint64_t kPages = 20000;
  constexpr uint64_t kLargest = (2 << 20) / MemoryFile::kPageBytes;
  allocator_.Begin(Version(2));
  uint64_t prepared = 0;
  uint64_t end = 0;
  uint64_t largest = 0;
  std::set<uint64_t> page_counts;
  for (uint64_t taken = 1; taken <= kPages; ++taken) {
    const uint64_t page = AllocateOne();
    page_counts.insert(allocator_.page_count());
    for (const PageRun& run : file_.TakePreparedNew()) {
      EXPECT_EQ(run.first, page);
      EXPECT_GE(run.first, end) << "prepared twice";
      end = run.first + run.count;
      EXPECT_TRUE(end % 16 == 0 || page_counts.contains(end));
      largest = std::max(largest, run.count);
      prepared += run.count;
    }
    ASSERT_LE(prepared, taken + taken / 4);
  }
  EXPECT_EQ(largest, kLargest);
  EXPECT_GE(prepared, kPages - 200);
  EXPECT_TRUE(file_.TakePreparedAgain().empty());
  allocator_.Commit();

  // A checkpoint: what is left of the stretch is clean now, and part of a folio with pages in use.
  const uint64_t next = allocator_.TakeUnflushed().nodes.back().value + 1;
  ASSERT_LT(next, end);
  allocator_.Begin(Version(3));
  EXPECT_EQ(AllocateOne(), next);
  EXPECT_TRUE(file_.TakePreparedNew().empty());
  const std::vector<PageRun> separated = file_.TakeSeparated();
  ASSERT_EQ(separated.size(), 1u);
  EXPECT_EQ(separated.front().first, next);
  EXPECT_EQ(separated.front().count, 1u);
  allocator_.Commit();
}

TEST_F(PageAllocatorTest, TheNextStretchIsPreparedAhead) {
  constexpr uint64_t kStretch = (2 << 20) / MemoryFile::kPageBytes;
  for (const bool busy : {false, true}) {
    file_.set_busy(busy);
    const uint64_t before = file_.finished_ahead();
    allocator_.Begin(Version(2));
    std::vector<uint64_t> pages(20 * kStretch);
    for (uint64_t& page : pages) {
      page = AllocateOne();
      StoreLE64(file_.source().write_page(PageNumber(page)), page);
    }
    // All but the first ones, and those where the file has grown.
    EXPECT_GE(file_.finished_ahead() - before, busy ? 0u : 10u);
    EXPECT_LE(file_.finished_ahead() - before, busy ? 0u : 20u);
    // One that is being prepared may become part of a run.
    ASSERT_THAT(allocator_.AllocateRun(allocator_.free_pages(), Reserve::kMayUse), IsOk());
    for (const uint64_t page : pages) {
      ASSERT_EQ(LoadLE64(file_.source().read_page(PageNumber(page))), page);
    }
    allocator_.Commit();
  }
}

// Not before: the page is dirty. And not more than once: it stays so.
TEST_F(PageAllocatorTest, PagesAreSeparatedAfterACheckpoint) {
  const auto take_and_give_back = [this](uint64_t version) {
    allocator_.Begin(Version(version));
    const uint64_t page = AllocateOne();
    allocator_.Free(PageNumber(page), Version(version));
    allocator_.Commit();
    return page;
  };
  const uint64_t page = take_and_give_back(2);
  EXPECT_EQ(take_and_give_back(3), page);
  EXPECT_TRUE(file_.TakeSeparated().empty());
  for (const uint64_t version : {4, 5, 6}) {
    if (version != 5) allocator_.TakeUnflushed();
    allocator_.Begin(Version(version));
    allocator_.AllocateFromFront();
    EXPECT_EQ(AllocateOne(), page);
    EXPECT_EQ(file_.TakeSeparated().size(), version == 4 ? 1u : 0u);
    allocator_.Rollback();
  }
}

TEST_F(PageAllocatorTest, RunsArePrepared) {
  allocator_.Begin(Version(2));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const PageNumber run, allocator_.AllocateRun(100, Reserve::kKeep));
  const std::vector<PageRun> made = file_.TakePreparedNew();
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made.front().first, run.value);
  EXPECT_EQ(made.front().count, 100u);
  allocator_.FreeRun(run, 50, Version(2));
  // Half of it again, half of it new.
  allocator_.FreeRun(PageNumber(run.value + 50), 50, Version(2));
  ASSERT_THAT(allocator_.AllocateRun(150, Reserve::kKeep), IsOkAndHolds(run));
  const std::vector<PageRun> again = file_.TakePreparedAgain();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again.front().first, run.value);
  EXPECT_EQ(again.front().count, 100u);
  const std::vector<PageRun> more = file_.TakePreparedNew();
  ASSERT_EQ(more.size(), 1u);
  EXPECT_EQ(more.front().first, run.value + 100);
  EXPECT_EQ(more.front().count, 50u);
  allocator_.Commit();
}

// They would be read only to be overwritten.
TEST_F(PageAllocatorTest, PagesThatMemoryHasLostAreAsIfNew) {
  allocator_.Begin(Version(2));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const PageNumber run, allocator_.AllocateRun(100, Reserve::kKeep));
  allocator_.Commit();
  allocator_.TakeUnflushed();
  allocator_.Begin(Version(3));
  allocator_.FreeRun(run, 100, Version(2));
  allocator_.Commit();
  allocator_.Reclaim({}, Version(3));
  file_.TakePreparedNew();
  for (uint64_t i = 30; i < 60; ++i) file_.Evict(run.value + i);
  allocator_.Begin(Version(4));
  ASSERT_THAT(allocator_.AllocateRun(100, Reserve::kKeep), IsOkAndHolds(run));
  allocator_.Commit();
  const std::vector<PageRun> again = file_.TakePreparedAgain();
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].count, 30u);
  EXPECT_EQ(again[1].first, run.value + 60);
  EXPECT_EQ(again[1].count, 40u);
  const std::vector<PageRun> made = file_.TakePreparedNew();
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].first, run.value + 30);
  EXPECT_EQ(made[0].count, 30u);
}

// What a checkpoint is to write lies together, though pages become free all over the file.
TEST_F(PageAllocatorTest, SinglePagesComeFromFreeWindows) {
  constexpr uint64_t kPages = 60'000;
  constexpr uint64_t kWindow = 512;
  std::vector<uint64_t> pages;
  allocator_.Begin(Version(2));
  while (pages.size() < kPages || allocator_.free_pages() > 33) pages.push_back(AllocateOne());
  allocator_.Commit();
  allocator_.TakeUnflushed();
  // All of some windows, and little of the others.
  std::set<uint64_t> emptied;
  allocator_.Begin(Version(3));
  for (const uint64_t page : pages) {
    const uint64_t window = page / kWindow;
    const bool all = window % 10 == 5;
    if (all) emptied.insert(window);
    if (all || page % 100 == 0) allocator_.Free(PageNumber(page), Version(2));
  }
  allocator_.Commit();
  allocator_.Reclaim({}, Version(3));
  allocator_.Begin(Version(4));
  const uint64_t end = allocator_.page_count();
  const size_t emptied_count = emptied.size();
  uint64_t window = pages.back() / kWindow;  // where the search stands
  for (uint64_t i = 0; i < (emptied_count - 1) * kWindow; ++i) {
    const uint64_t page = AllocateOne();
    EXPECT_TRUE(page / kWindow == window || emptied.erase(page / kWindow) == 1) << page;
    window = page / kWindow;
  }
  EXPECT_LE(allocator_.TakeUnflushed().stretches.size(), emptied_count);
  // What is left is so little that the file grows instead.
  ASSERT_LT(allocator_.free_pages(), end / 16);
  for (uint64_t i = 0; i < 2 * kWindow; ++i) AllocateOne();
  EXPECT_GT(allocator_.page_count(), end);
  EXPECT_GE(AllocateOne(), end);
  allocator_.Rollback();
  // Unless it cannot.
  allocator_.Begin(Version(5));
  file_.set_limit_pages(allocator_.page_count());
  while (allocator_.free_pages() > 100) AllocateOne();
  allocator_.Rollback();
}

// Few flushes, however many places were written to.
TEST_F(PageAllocatorTest, StretchesAreFew) {
  allocator_.Begin(Version(2));
  std::vector<uint64_t> pages;
  for (uint64_t i = 0; i < 100'000; ++i) pages.push_back(AllocateOne());
  allocator_.Commit();
  EXPECT_EQ(allocator_.TakeUnflushed().stretches.size(), 1u);
  EXPECT_TRUE(allocator_.TakeUnflushed().stretches.empty());
  // Forty places, with the largest gaps before the last ones.
  allocator_.Begin(Version(3));
  for (uint64_t i = 0; i < 40; ++i) {
    allocator_.Free(PageNumber(pages[i * (1'000 + i * 30)]), Version(2));
  }
  allocator_.Commit();
  allocator_.Reclaim({}, Version(3));
  allocator_.Begin(Version(4));
  allocator_.AllocateFromFront();
  std::vector<uint64_t> written;
  for (uint64_t i = 0; i < 40; ++i) written.push_back(AllocateOne());
  const std::vector<PageRun> stretches = allocator_.TakeUnflushed().stretches;
  EXPECT_LE(stretches.size(), 16u);
  EXPECT_GE(stretches.size(), 12u);
  EXPECT_GT(stretches.front().count, 20'000u);
  EXPECT_LE(stretches.back().count, 16u);
  for (const uint64_t page : written) {
    EXPECT_TRUE(std::any_of(stretches.begin(), stretches.end(), [&](const PageRun& run) {
      return page >= run.first && page < run.first + run.count;
    })) << page;
  }
  allocator_.Commit();
}

}  // namespace
}  // namespace espalier::space
