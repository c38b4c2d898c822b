#include "engine/space/page_allocator.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/space/memory_file_for_testing.h"
#include "gtest/gtest-spi.h"
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
  for (uint64_t taken = 1; taken <= kPages; ++taken) {
    const uint64_t page = AllocateOne();
    for (const PageRun& run : file_.TakePreparedNew()) {
      EXPECT_EQ(run.first, page);
      EXPECT_GE(run.first, end) << "prepared twice";
      end = run.first + run.count;
      EXPECT_TRUE(end % 16 == 0 || end == allocator_.page_count());
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

// --- Against a model: every page's lives ---------------------------------------------------------

// One life of a page: a version p sees it if birth <= p < death.
struct Life {
  uint64_t birth;
  uint64_t death;
};

class Model {
 public:
  // What the canary does wrong on purpose.
  enum class Fault { kNone, kForgetsReader };

  explicit Model(uint64_t seed, Fault fault = Fault::kNone) : random_(seed), fault_(fault) {
    allocator_.Load(Bitmap(kReserved), kReserved);
  }

  void Step() {
    switch (Below(16)) {
      case 0:
        protected_.insert(newest_);  // a reader, or a checkpoint
        break;
      case 1:
      case 2:
        if (!protected_.empty()) {
          protected_.erase(
              std::next(protected_.begin(), static_cast<std::ptrdiff_t>(Below(protected_.size()))));
        }
        break;
      case 3:
        Reclaim();
        break;
      case 4:
        GiveSpaceBack();
        break;
      case 5:
        TakeUnflushed();
        break;
      case 6:
        TakeChangedParts();
        break;
      default:
        RunTransaction();
    }
    if (!::testing::Test::HasFailure()) Compare();
  }

  // In the end, with nothing protected, nothing waits.
  void Finish() {
    protected_.clear();
    Reclaim();
    EXPECT_EQ(allocator_.waiting_pages(), 0u);
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }

  bool Sees(uint64_t version, const Life& life) const {
    return life.birth <= version && version < life.death;
  }
  // Whether a protected version, the newest included, sees the page's last life.
  bool IsSeen(uint64_t page) const {
    const auto life = dead_.find(page);
    if (life == dead_.end()) return false;
    return Sees(newest_, life->second) ||
           std::any_of(protected_.begin(), protected_.end(),
                       [&](uint64_t version) { return Sees(version, life->second); });
  }

  void RunTransaction() {
    const uint64_t version = newest_ + 1 + Below(2);
    const std::map<uint64_t, uint64_t> live_before = live_;
    const std::map<uint64_t, Life> dead_before = dead_;
    const std::set<uint64_t> nodes_before = unsealed_;
    allocator_.Begin(Version(version));
    if (Below(8) == 0) {
      front_ = true;
      allocator_.AllocateFromFront();
    }
    const uint64_t steps = Below(20) == 0 ? 400 : 40;
    for (uint64_t i = Below(steps); i > 0 && !::testing::Test::HasFailure(); --i) {
      if (Below(5) < 2 && !live_.empty()) {
        FreeSome(version);
      } else {
        Allocate(version);
      }
    }
    front_ = false;
    if (Below(4) == 0) {
      allocator_.Rollback();
      live_ = live_before;
      dead_ = dead_before;
      unsealed_ = nodes_before;
      // What it wrote over is gone all the same, but nobody could see that.
    } else {
      allocator_.Commit();
      newest_ = version;
      if (Below(2) == 0) Reclaim();
    }
  }

  void Allocate(uint64_t version) {
    const uint64_t count = Below(4) == 0 ? 2 + Below(20) : 1;
    const Bitmap free = allocator_.FreePages();
    file_.set_limit_pages(Below(20) == 0 ? allocator_.page_count() : UINT64_MAX);
    const Reserve reserve = Below(3) == 0 ? Reserve::kMayUse : Reserve::kKeep;
    const absl::StatusOr<PageNumber> first =
        count == 1 ? allocator_.AllocatePage(reserve) : allocator_.AllocateRun(count, reserve);
    file_.set_limit_pages(UINT64_MAX);
    if (!first.ok()) {
      EXPECT_THAT(first, StatusIs(absl::StatusCode::kResourceExhausted));
      EXPECT_EQ(allocator_.FreePages(), free);
      return;
    }
    if (front_ && count == 1 && free.Count() > 32) {
      EXPECT_EQ(first->value, free.FindFirstSet(0));
    }
    for (uint64_t page = first->value; page < first->value + count; ++page) {
      ASSERT_GE(page, kReserved);
      ASSERT_LT(page, allocator_.page_count());
      ASSERT_FALSE(live_.contains(page)) << "page " << page << " is in use";
      ASSERT_FALSE(IsSeen(page)) << "INV-2: page " << page << " of [" << dead_.at(page).birth
                                 << ", " << dead_.at(page).death << ") is protected";
      ASSERT_TRUE(file_.blocks().Test(page)) << "INV-6: page " << page;
      live_[page] = version;
      dead_.erase(page);
      unsealed_.erase(page);
      changed_.insert(page);
      written_.insert(page);
      StoreLE64(file_.source().write_page(PageNumber(page)), version);
    }
    if (count == 1) unsealed_.insert(first->value);
  }

  // Frees a page, or some in a row of the same birth.
  void FreeSome(uint64_t version) {
    auto at = live_.lower_bound(kReserved + Below(allocator_.page_count()));
    if (at == live_.end()) at = live_.begin();
    const uint64_t first = at->first;
    const uint64_t birth = at->second;
    uint64_t count = 0;
    for (const uint64_t wanted = 1 + Below(10);
         count < wanted && at != live_.end() && at->first == first + count && at->second == birth;
         ++count) {
      at = live_.erase(at);
      dead_[first + count] = {birth, version};
      changed_.insert(first + count);
      // Its own pages nobody has seen.
      if (birth == version) dead_.erase(first + count);
    }
    allocator_.FreeRun(PageNumber(first), count, Version(birth));
  }

  void Reclaim() {
    std::set<uint64_t> distinct(protected_.begin(), protected_.end());
    std::vector<Version> versions;
    for (const uint64_t version : distinct) versions.emplace_back(version);
    if (fault_ == Fault::kForgetsReader && !versions.empty()) versions.pop_back();
    allocator_.Reclaim(versions, Version(0));
    if (fault_ != Fault::kNone) return;
    // Pins what is seen, and nothing else.
    const Bitmap waiting = allocator_.WaitingPagesBitmap();
    for (uint64_t page = kReserved; page < allocator_.page_count(); ++page) {
      ASSERT_EQ(waiting.Test(page), IsSeen(page)) << "page " << page;
    }
  }

  void GiveSpaceBack() {
    const uint64_t needed = allocator_.PagesWithoutFreeTail();
    const Bitmap free = allocator_.FreePages();
    EXPECT_EQ(free.CountRange(needed, allocator_.page_count() - needed),
              allocator_.page_count() - needed);
    EXPECT_TRUE(needed == kReserved || !free.Test(needed - 1));
    if (Below(2) == 0) {
      const uint64_t kept = needed + Below(allocator_.page_count() - needed + 1);
      file_.Cut(kept);
      allocator_.TailWasReleased(kept);
      dead_.erase(dead_.lower_bound(kept), dead_.end());
      unsealed_.erase(unsealed_.lower_bound(kept), unsealed_.end());
    }
    for (const PageRun& run : allocator_.FindFreeRuns(8)) {
      EXPECT_GE(run.count, 8u);
      EXPECT_EQ(free.CountRange(run.first, run.count), run.count);
      file_.Punch(run);
      allocator_.BlocksWereReleased(run);
    }
    EXPECT_TRUE(allocator_.FindFreeRuns(8).empty());
  }

  void TakeUnflushed() {
    std::vector<PageNumber> expected;
    for (const uint64_t page : unsealed_) {
      if (live_.contains(page)) expected.emplace_back(page);
    }
    const Unflushed taken = allocator_.TakeUnflushed();
    EXPECT_EQ(taken.nodes, expected);
    Bitmap stretches(allocator_.page_count());
    for (const PageRun& run : taken.stretches) {
      ASSERT_LE(run.first + run.count, stretches.size());
      EXPECT_EQ(stretches.FindFirstSet(run.first), stretches.size()) << "not in their order";
      stretches.SetRange(run.first, run.count);
    }
    for (const uint64_t page : written_) {
      EXPECT_TRUE(page >= allocator_.page_count() || stretches.Test(page)) << page;
    }
    unsealed_.clear();
    written_.clear();
  }

  void TakeChangedParts() {
    constexpr uint64_t kPagesPerPart = 1000;
    const std::vector<uint64_t> parts = allocator_.TakeChangedParts(kPagesPerPart);
    EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
    for (const uint64_t page : changed_) {
      if (page >= allocator_.page_count()) continue;
      EXPECT_TRUE(std::binary_search(parts.begin(), parts.end(), page / kPagesPerPart))
          << "page " << page;
    }
    changed_.clear();
  }

  void Compare() {
    const Bitmap free = allocator_.FreePages();
    const Bitmap waiting = allocator_.WaitingPagesBitmap();
    const uint64_t count = allocator_.page_count();
    ASSERT_EQ(allocator_.reachable().size(), count);
    for (uint64_t page = kReserved; page < count; ++page) {
      ASSERT_EQ(allocator_.reachable().Test(page), live_.contains(page)) << "page " << page;
      ASSERT_EQ(allocator_.reachable().Test(page) + free.Test(page) + waiting.Test(page), 1)
          << "page " << page;
      // What is free already nobody may see.
      ASSERT_FALSE(free.Test(page) && IsSeen(page) && fault_ == Fault::kNone) << "page " << page;
    }
    // Whatever was prepared, nothing was lost.
    for (const auto& [page, birth] : live_) {
      ASSERT_EQ(LoadLE64(file_.source().read_page(PageNumber(page))), birth) << "page " << page;
    }
    for (const auto& [page, life] : dead_) {
      if (!IsSeen(page) || fault_ != Fault::kNone) continue;
      ASSERT_EQ(LoadLE64(file_.source().read_page(PageNumber(page))), life.birth)
          << "page " << page;
    }
    EXPECT_EQ(allocator_.reachable_pages(), live_.size());
    EXPECT_EQ(allocator_.free_pages(), free.Count());
    EXPECT_EQ(allocator_.waiting_pages(), waiting.Count());
    EXPECT_EQ(allocator_.reachable_end(), live_.empty() ? kReserved : live_.rbegin()->first + 1);
  }

  std::mt19937_64 random_;
  const Fault fault_;
  MemoryFile file_{1 << 20};
  PageAllocator allocator_{kReserved, MemoryFile::kPageBytes, &file_};
  uint64_t newest_ = 1;
  std::multiset<uint64_t> protected_;
  std::map<uint64_t, uint64_t> live_;  // page to birth
  std::map<uint64_t, Life> dead_;      // the last life of pages that are not in use
  std::set<uint64_t> unsealed_;
  std::set<uint64_t> written_;
  std::set<uint64_t> changed_;
  bool front_ = false;
};

TEST(PageAllocatorModelTest, NoProtectedPageIsHandedOut) {
  const uint64_t seed = TestSeed();
  for (uint64_t round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    Model model(seed * 1000 + round);
    for (int step = 0; step < 200; ++step) {
      ASSERT_NO_FATAL_FAILURE(model.Step()) << "step " << step;
      ASSERT_FALSE(::testing::Test::HasFailure()) << "step " << step;
    }
    model.Finish();
  }
}

// Were a protected version forgotten, the model would notice that its pages are handed out.
TEST(PageAllocatorModelTest, CanaryForgottenReaderIsNoticed) {
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter intercept(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    Model model(TestSeed(), Model::Fault::kForgetsReader);
    for (int step = 0; step < 2000 && failures.size() == 0; ++step) model.Step();
  }
  ASSERT_GT(failures.size(), 0);
  EXPECT_NE(std::string(failures.GetTestPartResult(0).message()).find("INV-2"), std::string::npos);
}

}  // namespace
}  // namespace espalier::space
