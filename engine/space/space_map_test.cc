#include "engine/space/space_map.h"

#include <algorithm>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/page/checksum.h"
#include "engine/space/memory_file_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::space {
namespace {

constexpr uint64_t kReserved = 9;
constexpr uint64_t kBitsPerLeaf = (4096 - 32) * 8;
constexpr uint64_t kRefsPerInner = (4096 - 32) / 8;

class SpaceMapTest : public ::testing::Test {
 protected:
  // Three levels, a little more.
  static constexpr uint64_t kCapacityPages = kBitsPerLeaf * kRefsPerInner + 100000;

  SpaceMapTest() { allocator_.Load(Bitmap(kReserved), kReserved); }

  void Begin() { allocator_.Begin(Version(++version_)); }

  // A checkpoint's part: writes the map and seals its pages. The number of pages that it wrote.
  size_t Write() {
    Begin();
    EXPECT_THAT(map_.Rewrite(allocator_, Version(version_)), IsOk());
    allocator_.Commit();
    const std::vector<PageNumber> unsealed = allocator_.TakeUnflushed().nodes;
    const std::vector<PageNumber> own = map_.Pages();
    size_t written = 0;
    for (const PageNumber page : unsealed) {
      page::SealPage(file_.source().write_page(page), MemoryFile::kPageBytes, page);
      written += std::count(own.begin(), own.end(), page) > 0 ? 1 : 0;
    }
    EXPECT_EQ(allocator_.reachable().CountRange(0, kReserved), 0u);
    for (const PageNumber page : own) EXPECT_TRUE(allocator_.reachable().Test(page.value));
    return written;
  }

  // Reads the map as at opening, every page verified anew.
  absl::StatusOr<Bitmap> Read(SpaceMap& map, uint64_t page_count) {
    source_ = file_.MakeSource();
    const page::PageReader reader(source_.get(), Version(version_), allocator_.page_count());
    return map.Load(reader, map_.root(), map_.height(), page_count);
  }

  void ExpectRoundTrip() {
    SpaceMap again(MemoryFile::kPageBytes);
    const absl::StatusOr<Bitmap> pages = Read(again, allocator_.page_count());
    ASSERT_THAT(pages, IsOk());
    EXPECT_TRUE(*pages == allocator_.reachable());
    EXPECT_EQ(again.height(), map_.height());
    EXPECT_EQ(again.root(), map_.root());
    std::vector<PageNumber> before = map_.Pages();
    std::vector<PageNumber> after = again.Pages();
    EXPECT_EQ(before, after);
  }

  // A run far away, so that the file is at least so long.
  PageNumber AllocateUpTo(uint64_t page_count) {
    const uint64_t count = page_count - allocator_.page_count();
    const absl::StatusOr<PageNumber> run = allocator_.AllocateRun(count, Reserve::kMayUse);
    EXPECT_THAT(run, IsOk());
    return run.ok() ? *run : PageNumber(0);
  }

  MemoryFile file_{kCapacityPages};
  PageAllocator allocator_{kReserved, MemoryFile::kPageBytes, &file_};
  SpaceMap map_{MemoryFile::kPageBytes};
  std::shared_ptr<page::PageSource> source_;
  uint64_t version_ = 1;
};

TEST_F(SpaceMapTest, OfAFreshDatabase) {
  SpaceMap map(MemoryFile::kPageBytes);
  const page::PageReader reader(&file_.source(), Version(1), kReserved);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Bitmap pages,
                                map.Load(reader, page::ChildRef(), 0, kReserved));
  EXPECT_EQ(pages.Count(), 0u);
}

TEST_F(SpaceMapTest, NamesItsOwnPages) {
  Begin();
  ASSERT_THAT(allocator_.AllocatePage(Reserve::kKeep), IsOk());
  allocator_.Commit();
  EXPECT_EQ(Write(), 1u);
  ExpectRoundTrip();
  EXPECT_EQ(allocator_.reachable_pages(), 2u);
  // Nothing changed since.
  EXPECT_EQ(Write(), 0u);
  ExpectRoundTrip();
}

TEST_F(SpaceMapTest, RandomChangesComeBack) {
  std::mt19937_64 random(TestSeed());
  std::vector<std::pair<PageNumber, Version>> pages;
  for (int round = 0; round < 40; ++round) {
    const auto before = pages;
    Begin();
    for (uint64_t i = random() % 3000; i > 0; --i) {
      if (random() % 3 == 0 && !pages.empty()) {
        std::swap(pages[random() % pages.size()], pages.back());
        allocator_.Free(pages.back().first, pages.back().second);
        pages.pop_back();
      } else {
        ESPALIER_ASSERT_OK_AND_ASSIGN(const PageNumber page,
                                      allocator_.AllocatePage(Reserve::kKeep));
        pages.emplace_back(page, Version(version_));
      }
    }
    if (random() % 4 == 0) {
      // Its pages go, those that it freed come back: neither may be missed by the map.
      allocator_.Rollback();
      pages = before;
    } else {
      allocator_.Commit();
      allocator_.Reclaim({}, Version(0));
    }
    Write();
    ASSERT_NO_FATAL_FAILURE(ExpectRoundTrip());
  }
  Write();
  ASSERT_NO_FATAL_FAILURE(ExpectRoundTrip());
}

TEST_F(SpaceMapTest, GrowsLevelByLevelAndWritesChangedPartsOnly) {
  Begin();
  AllocateUpTo(kBitsPerLeaf / 2);
  allocator_.Commit();
  Write();
  EXPECT_EQ(map_.height(), 1u);
  ExpectRoundTrip();

  Begin();
  const PageNumber far = AllocateUpTo(40 * kBitsPerLeaf);
  allocator_.Commit();
  Write();
  EXPECT_EQ(map_.height(), 2u);
  EXPECT_GE(map_.Pages().size(), 41u);
  ExpectRoundTrip();

  // One page in the middle: its leaf, those of the map's own pages, the root.
  Begin();
  allocator_.FreeRun(PageNumber(far.value + 20 * kBitsPerLeaf), 1, Version(version_ - 2));
  allocator_.Commit();
  EXPECT_LE(Write(), 8u);
  ExpectRoundTrip();

  map_.MarkAllChanged();
  EXPECT_GE(Write(), 41u);
  ExpectRoundTrip();
}

TEST_F(SpaceMapTest, ThreeLevels) {
  Begin();
  AllocateUpTo(kBitsPerLeaf * kRefsPerInner + 10);
  allocator_.Commit();
  Write();
  EXPECT_EQ(map_.height(), 3u);
  ExpectRoundTrip();
}

// Such a map is higher than its file needs. It was taken for damaged: a database that had shrunk
// below 127 MiB did not open again.
TEST_F(SpaceMapTest, OfAFileThatWasLongerOnce) {
  Begin();
  const PageNumber first = AllocateUpTo(3 * kBitsPerLeaf);
  allocator_.Commit();
  Write();
  const uint64_t born = version_ - 1;
  EXPECT_EQ(map_.height(), 2u);
  Begin();
  allocator_.FreeRun(first, 3 * kBitsPerLeaf - first.value, Version(born));
  allocator_.Commit();
  allocator_.Reclaim({}, Version(0));
  Begin();
  allocator_.AllocateFromFront();
  map_.MarkAllChanged();
  ASSERT_THAT(map_.Rewrite(allocator_, Version(version_)), IsOk());
  allocator_.Commit();
  allocator_.Reclaim({}, Version(0));
  for (const PageNumber page : allocator_.TakeUnflushed().nodes) {
    page::SealPage(file_.source().write_page(page), MemoryFile::kPageBytes, page);
  }
  const uint64_t pages = allocator_.PagesWithoutFreeTail();
  ASSERT_LT(pages, 100u);
  file_.Cut(pages);
  allocator_.TailWasReleased(pages);
  EXPECT_EQ(map_.height(), 2u);
  ExpectRoundTrip();

  // It grows again from there.
  SpaceMap again(MemoryFile::kPageBytes);
  ASSERT_THAT(Read(again, pages), IsOk());
  Begin();
  AllocateUpTo(2 * kBitsPerLeaf);
  allocator_.Commit();
  Write();
  ExpectRoundTrip();
}

TEST_F(SpaceMapTest, FullDiskLeavesTheMapAsItWas) {
  Begin();
  AllocateUpTo(5 * kBitsPerLeaf);
  allocator_.Commit();
  Write();
  const page::ChildRef root = map_.root();
  map_.MarkAllChanged();
  file_.set_limit_pages(allocator_.page_count());
  // All that is left, but for two pages of the seven that it takes.
  Begin();
  while (allocator_.free_pages() > 2) {
    ASSERT_THAT(allocator_.AllocatePage(Reserve::kMayUse), IsOk());
  }
  allocator_.Commit();
  Begin();
  EXPECT_THAT(map_.Rewrite(allocator_, Version(version_)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  allocator_.Rollback();
  EXPECT_EQ(map_.root(), root);
  EXPECT_EQ(allocator_.free_pages(), 2u);

  file_.set_limit_pages(UINT64_MAX);
  EXPECT_GE(Write(), 6u);
  ExpectRoundTrip();
}

TEST_F(SpaceMapTest, DamageIsDataLoss) {
  Begin();
  AllocateUpTo(3 * kBitsPerLeaf);
  allocator_.Commit();
  Write();
  SpaceMap again(MemoryFile::kPageBytes);
  // A map for other sizes: pages past the end, too low, too high.
  EXPECT_THAT(Read(again, allocator_.page_count() / 2), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Read(again, kBitsPerLeaf * kRefsPerInner + 1), StatusIs(absl::StatusCode::kDataLoss));
  const page::PageReader reader(source_.get(), Version(version_), allocator_.page_count());
  for (const uint32_t height : {1u, 3u, 4u, 40u, UINT32_MAX}) {
    EXPECT_THAT(again.Load(reader, map_.root(), height, allocator_.page_count()),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_THAT(again.Load(reader, page::ChildRef(), 2, allocator_.page_count()),
              StatusIs(absl::StatusCode::kDataLoss));
  // Each of its pages, one bit at a time.
  for (const PageNumber page : map_.Pages()) {
    for (const uint64_t byte : {0, 9, 14, 15, 16, 31, 32, 1000, 4095}) {
      uint8_t* const at = file_.source().write_page(page) + byte;
      *at ^= 4;
      EXPECT_THAT(Read(again, allocator_.page_count()), StatusIs(absl::StatusCode::kDataLoss))
          << "page " << page.value << ", byte " << byte;
      *at ^= 4;
    }
  }
  ExpectRoundTrip();
}

// A map far higher than its pages need, with one leaf so far out that the numbers of the pages that
// it covers do not fit into 64 bits. With large pages they wrapped around to numbers that the
// bitmap has.
TEST(SpaceMapHeightTest, PageNumbersThatDoNotFit) {
  for (uint32_t page_bytes = page::kMinPageBytes; page_bytes <= page::kMaxPageBytes;
       page_bytes *= 2) {
    constexpr uint32_t kHeight = 6;
    constexpr uint64_t kPages = 64;
    const uint64_t refs = (page_bytes - page::kHeaderBytes) / 8;
    // The leaf's pages begin at a multiple of 2^64, at one of 2^56, and elsewhere.
    for (const uint64_t leaf : {uint64_t{1} << 56, uint64_t{1} << 48, UINT64_MAX, uint64_t{1}}) {
      SCOPED_TRACE(absl::StrCat("pages of ", page_bytes, " bytes, leaf ", leaf));
      os::File file = os::File::CreateInMemory("test").value();
      ASSERT_THAT(file.Truncate(kPages * page_bytes), IsOk());
      const page::PageSource source(
          os::Mapping::Map(file, kPages * page_bytes + page::PageSource::kGuardBytes,
                           os::Access::kReadWrite, /*separate_read_view=*/false)
              .value(),
          page_bytes, /*verify_checksums=*/true, "test");
      page::ChildRef child;
      uint64_t index = leaf;
      for (uint32_t level = 0; level < kHeight; ++level) {
        const PageNumber number(20 + level);
        uint8_t* const bytes = source.write_page(number);
        page::Header& header = page::HeaderOf(bytes);
        header.identity = page::Header::MakeIdentity(
            number, level == 0 ? page::Kind::kSpaceMapLeaf : page::Kind::kSpaceMapInner, level);
        header.birth = 1;
        if (level == 0) {
          StoreLE64(bytes + page::kHeaderBytes, UINT64_MAX);  // kPages of them
        } else {
          StoreLE64(bytes + page::kHeaderBytes + 8 * (index % refs), child.bits());
          index /= refs;
        }
        page::SealPage(bytes, page_bytes, number);
        child = page::ChildRef::Make(number, Version(1));
      }
      SpaceMap map(page_bytes);
      const page::PageReader reader(&source, Version(1), kPages);
      EXPECT_THAT(map.Load(reader, child, kHeight, kPages), StatusIs(absl::StatusCode::kDataLoss));
    }
  }
}

}  // namespace
}  // namespace espalier::space
