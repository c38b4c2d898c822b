// The allocator against a model: every page's lives.

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/space/memory_file_for_testing.h"
#include "engine/space/page_allocator.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace espalier::space {
namespace {

constexpr uint64_t kReserved = 9;

// One life of a page: a version p sees it if birth <= p < death.
struct Life {
  uint64_t birth;
  uint64_t death;
  bool logged = false;
};

class Model {
 public:
  // What the canary does wrong on purpose.
  enum class Fault { kNone, kForgetsReader };

  // Where pages are said to be large, fewer of them make the allocator work ahead.
  explicit Model(uint64_t seed, Fault fault = Fault::kNone)
      : random_(seed),
        fault_(fault),
        allocator_(kReserved, MemoryFile::kPageBytes << (5 * Below(2)), &file_) {
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
    durable_ = newest_;
    Reclaim();
    EXPECT_EQ(allocator_.waiting_pages(), 0u);
  }

  // How often a stretch was there when it was needed.
  uint64_t finished_ahead() const { return file_.finished_ahead(); }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }

  bool Sees(uint64_t version, const Life& life) const {
    return life.birth <= version && version < life.death;
  }
  // Whether a protected version, the newest included, sees the page's last life.
  bool IsSeen(uint64_t page) const {
    const auto life = dead_.find(page);
    if (life == dead_.end()) return false;
    // The log refers to it until a checkpoint has what came after it.
    if (life->second.logged && durable_ < life->second.death) return true;
    return Sees(newest_, life->second) || Sees(durable_, life->second) ||
           std::any_of(protected_.begin(), protected_.end(),
                       [&](uint64_t version) { return Sees(version, life->second); });
  }

  void RunTransaction() {
    file_.set_busy(Below(4) == 0);
    if (Below(4) == 0) {
      for (int i = 0; i < 20; ++i) file_.Evict(Below(allocator_.page_count()));
    }
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
    const bool logged = Below(4) == 0;
    uint64_t count = 0;
    for (const uint64_t wanted = 1 + Below(10);
         count < wanted && at != live_.end() && at->first == first + count && at->second == birth;
         ++count) {
      at = live_.erase(at);
      dead_[first + count] = {birth, version, logged};
      changed_.insert(first + count);
      // Its own pages nobody has seen.
      if (birth == version && !logged) dead_.erase(first + count);
    }
    allocator_.FreeRun(PageNumber(first), count, Version(birth),
                       logged ? LoggedRun::kYes : LoggedRun::kNo);
  }

  void Reclaim() {
    std::set<uint64_t> distinct(protected_.begin(), protected_.end());
    distinct.insert(durable_);
    std::vector<Version> versions;
    for (const uint64_t version : distinct) versions.emplace_back(version);
    if (fault_ == Fault::kForgetsReader && !versions.empty()) versions.pop_back();
    allocator_.Reclaim(versions, Version(durable_));
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
      for (std::set<uint64_t>* const pages : {&unsealed_, &written_, &changed_}) {
        pages->erase(pages->lower_bound(kept), pages->end());
      }
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
      EXPECT_TRUE(stretches.Test(page)) << page;
    }
    unsealed_.clear();
    written_.clear();
    // The checkpoint succeeds at once.
    durable_ = newest_;
  }

  void TakeChangedParts() {
    constexpr uint64_t kPagesPerPart = 1000;
    const std::vector<uint64_t> parts = allocator_.TakeChangedParts(kPagesPerPart);
    EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
    for (const uint64_t page : changed_) {
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
  PageAllocator allocator_;
  uint64_t newest_ = 1;
  uint64_t durable_ = 1;
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
  uint64_t finished_ahead = 0;
  for (uint64_t round = 0; round < 8 || (finished_ahead == 0 && round < 100); ++round) {
    SCOPED_TRACE(round);
    Model model(seed * 1000 + round);
    for (int step = 0; step < 200; ++step) {
      ASSERT_NO_FATAL_FAILURE(model.Step()) << "step " << step;
      ASSERT_FALSE(::testing::Test::HasFailure()) << "step " << step;
    }
    model.Finish();
    finished_ahead += model.finished_ahead();
  }
  EXPECT_GT(finished_ahead, 0u);
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
