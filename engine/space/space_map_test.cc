#include "engine/space/space_map.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "engine/base/status_for_testing.h"
#include "engine/page/checksum.h"
#include "engine/space/memory_backing_for_testing.h"
#include "engine/space/page_allocator.h"
#include "gtest/gtest.h"

namespace espalier::space {
namespace {

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kPagesPerLeaf = (kPageBytes - page::kHeaderBytes) * 8;

class SpaceMapTest : public ::testing::Test {
 protected:
  SpaceMapTest() { allocator_.Load(Bitmap(0), 0); }

  // Begins, changes, writes the map down as a checkpoint does.
  template <typename Function>
  void Checkpoint(Function change) {
    ++version_.value;
    allocator_.Begin(version_);
    change();
    allocator_.Commit();
    allocator_.Reclaim({});
    allocator_.Begin(version_);
    allocator_.AllocateFromFront();
    ASSERT_THAT(map_->Rewrite(allocator_, version_), IsOk());
    allocator_.Commit();
    for (const PageNumber number : map_->Pages()) {
      page::SealPage(backing_.source().write_page(number), kPageBytes, number);
    }
  }

  // Reads the map as at opening; the pages it says are in use must be the allocator's.
  void LoadAndCompare() {
    const uint64_t page_count = allocator_.reachable_end();
    SpaceMap loaded(kPageBytes);
    const page::PageReader reader(&backing_.source(), version_, page_count);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Bitmap pages,
                                  loaded.Load(reader, map_->root(), map_->height(), page_count));
    EXPECT_EQ(pages.Count(), allocator_.reachable_pages());
    for (uint64_t page = 0; page < page_count; ++page) {
      ASSERT_EQ(pages.Test(page), allocator_.reachable().Test(page)) << page;
    }
    EXPECT_EQ(loaded.Pages().size(), map_->Pages().size());
    EXPECT_EQ(loaded.height(), map_->height());
    map_.emplace(std::move(loaded));
  }

  MemoryBacking backing_{kPageBytes};
  PageAllocator allocator_{9, kPageBytes, &backing_};
  std::optional<SpaceMap> map_{kPageBytes};
  Version version_{1};
};

TEST_F(SpaceMapTest, NamesWhatIsInUse) {
  for (int round = 0; round < 5; ++round) {
    Checkpoint([&] {
      for (int i = 0; i < 20; ++i) ASSERT_THAT(allocator_.AllocatePage(Reserve::kKeep), IsOk());
    });
    LoadAndCompare();
  }
}

TEST_F(SpaceMapTest, GrowsByLevels) {
  for (const uint64_t pages : {uint64_t{100}, kPagesPerLeaf, 3 * kPagesPerLeaf}) {
    Checkpoint([&] { ASSERT_THAT(allocator_.AllocateRun(pages, Reserve::kKeep), IsOk()); });
    LoadAndCompare();
  }
  EXPECT_EQ(map_->height(), 2u);
}

// A database that had grown past what one leaf of the map covers (127 MB) and then shrank could not be
// opened again: the map's height was taken for damage.
TEST_F(SpaceMapTest, OfAFileThatShrankIsRead) {
  const Version born{2};
  PageNumber run;
  Checkpoint([&] {
    ESPALIER_ASSERT_OK_AND_ASSIGN(run, allocator_.AllocateRun(4 * kPagesPerLeaf, Reserve::kKeep));
  });
  Checkpoint([&] { allocator_.FreeRun(run, 4 * kPagesPerLeaf, born); });
  // The map itself moves to the front with its next pages.
  for (int i = 0; i < 3; ++i) {
    map_->MarkAllChanged();
    Checkpoint([] {});
  }
  EXPECT_LT(allocator_.reachable_end(), kPagesPerLeaf);
  LoadAndCompare();
  // And can be written on.
  Checkpoint([&] { ASSERT_THAT(allocator_.AllocateRun(kPagesPerLeaf, Reserve::kKeep), IsOk()); });
  LoadAndCompare();
}

// A hostile height made Load() ask for gigabytes of memory.
TEST_F(SpaceMapTest, RefusesAHeightThatIsNotItsOwn) {
  Checkpoint([&] { ASSERT_THAT(allocator_.AllocatePage(Reserve::kKeep), IsOk()); });
  const uint64_t page_count = allocator_.reachable_end();
  const page::PageReader reader(&backing_.source(), version_, page_count);
  for (uint32_t height = 2; height <= page::kMaxHeight; ++height) {
    SpaceMap loaded(kPageBytes);
    EXPECT_THAT(loaded.Load(reader, map_->root(), height, page_count),
                StatusIs(absl::StatusCode::kDataLoss))
        << height;
  }
}

}  // namespace
}  // namespace espalier::space
