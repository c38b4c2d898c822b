#include "engine/page/page_source.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/file.h"
#include "engine/os/mapping.h"
#include "engine/page/checksum.h"
#include "engine/page/node_builder.h"
#include "gtest/gtest.h"

namespace espalier::page {
namespace {

using Code = absl::StatusCode;
using ::testing::HasSubstr;

constexpr uint32_t kPageBytes = 4096;
constexpr uint64_t kPages = 100;
constexpr Version kBirth{0x12345};
constexpr Version kVersion{0x20000};

class PageSourceTest : public ::testing::Test {
 protected:
  PageSourceTest() : file_(os::File::CreateInMemory("test").value()) {
    EXPECT_THAT(file_.Truncate(kPages * kPageBytes), IsOk());
    source_ = Map();
  }

  // The same file through another mapping: nothing is verified yet.
  std::unique_ptr<PageSource> Map(bool verify_checksums = true) {
    return std::make_unique<PageSource>(
        os::Mapping::Map(file_, size_t{4} << 20, os::Access::kReadWrite, false).value(), kPageBytes,
        verify_checksums, "test.esp");
  }

  PageReader Reader(uint64_t page_limit = kPages) const {
    return PageReader(source_.get(), kVersion, page_limit);
  }

  // A sealed leaf with one entry.
  ChildRef PutLeaf(uint64_t number) {
    uint8_t* const page = source_->write_page(PageNumber(number));
    Header& header = HeaderOf(page);
    header.identity = Header::MakeIdentity(PageNumber(number), Kind::kLeaf, 0);
    header.birth = kBirth.value;
    const LeafEntry entry{"key", {"value", false, false}};
    BuildLeaf(absl::MakeConstSpan(&entry, 1), page, kPageBytes);
    SealPage(page, kPageBytes, PageNumber(number));
    return ChildRef::Make(PageNumber(number), kBirth);
  }

  LargeRef PutRun(uint64_t first_page, const std::string& value) {
    LargeRef ref;
    ref.first_page = PageNumber(first_page);
    ref.value_bytes = ref.stored_bytes = value.size();
    ref.birth = kBirth;
    uint8_t* const run = source_->write_page(ref.first_page);
    std::memcpy(run, value.data(), value.size());
    SealLarge(ref, run);
    return ref;
  }

  os::File file_;
  std::unique_ptr<PageSource> source_;
};

TEST_F(PageSourceTest, GivesThePageThatIsMeant) {
  const ChildRef ref = PutLeaf(20);
  const uint8_t* const page = Reader().Fetch(ref, 0);
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(Leaf(page).size(), 1u);
  EXPECT_TRUE(source_->verified().Test(20));
}

TEST_F(PageSourceTest, RefusesAllOthersAndSaysWhy) {
  const ChildRef ref = PutLeaf(20);
  const auto expect_refused = [&](const PageReader& reader, ChildRef wrong, uint32_t level,
                                  std::string_view why) {
    EXPECT_EQ(reader.Fetch(wrong, level), nullptr) << why;
    EXPECT_THAT(reader.Explain(wrong, level),
                StatusIs(Code::kDataLoss, HasSubstr(std::string(why))));
  };
  expect_refused(Reader(20), ref, 0, "the version has 20 pages");
  expect_refused(Reader(), ChildRef::Make(PageNumber(kMaxPageNumber), kBirth), 0,
                 "the version has");
  expect_refused(Reader(), ref, 1, "its parent expects");
  expect_refused(Reader(), ChildRef::Make(PageNumber(20), Version(0x12346)), 0, "its birth");
  expect_refused(PageReader(source_.get(), Version(kBirth.value - 1), kPages), ref, 0,
                 "after version");
  expect_refused(Reader(), ChildRef::Make(PageNumber(21), kBirth), 0, "says it is page 0");
  // A page in the wrong place.
  std::memcpy(source_->write_page(PageNumber(22)), source_->read_page(PageNumber(20)), kPageBytes);
  expect_refused(Reader(), ChildRef::Make(PageNumber(22), kBirth), 0, "says it is page 20");
  // The tag is the low half of the birth only: 2^16 versions later it is the same.
  EXPECT_NE(Reader().Fetch(ChildRef::Make(PageNumber(20), Version(0x2345)), 0), nullptr);
}

TEST_F(PageSourceTest, ChecksumsAreVerifiedAtFirstTouch) {
  const ChildRef ref = PutLeaf(20);
  source_->write_page(PageNumber(20))[3000] ^= 1;  // free space: the structure is sound
  EXPECT_EQ(Reader().Fetch(ref, 0), nullptr);
  EXPECT_THAT(Reader().Explain(ref, 0), StatusIs(Code::kDataLoss, HasSubstr("checksum mismatch")));
  // A page that was found bad is looked at again.
  source_->write_page(PageNumber(20))[3000] ^= 1;
  EXPECT_NE(Reader().Fetch(ref, 0), nullptr);
  // One that was found good is not, under this mapping.
  source_->write_page(PageNumber(20))[3000] ^= 1;
  EXPECT_NE(Reader().Fetch(ref, 0), nullptr);
  source_ = Map();
  EXPECT_EQ(Reader().Fetch(ref, 0), nullptr);
  source_ = Map(/*verify_checksums=*/false);
  EXPECT_NE(Reader().Fetch(ref, 0), nullptr);
}

TEST_F(PageSourceTest, StructureIsVerifiedInAnyCase) {
  const ChildRef ref = PutLeaf(20);
  HeaderOf(source_->write_page(PageNumber(20))).entry_count = 60000;
  SealPage(source_->write_page(PageNumber(20)), kPageBytes, PageNumber(20));
  for (const bool verify_checksums : {true, false}) {
    source_ = Map(verify_checksums);
    EXPECT_EQ(Reader().Fetch(ref, 0), nullptr);
    EXPECT_THAT(Reader().Explain(ref, 0), StatusIs(Code::kDataLoss, HasSubstr("overlap")));
  }
}

TEST_F(PageSourceTest, LargeValues) {
  for (const size_t size : {1u, 4096u, 65535u, 65536u, 65537u, 200000u}) {
    SCOPED_TRACE(size);
    std::string value(size, '\0');
    for (size_t i = 0; i < size; ++i) value[i] = static_cast<char>(i * 7 + i / 256);
    const LargeRef ref = PutRun(30, value);
    EXPECT_EQ(ref.ChunkCount(), (size + 65535) / 65536);
    uint8_t encoded[LargeRef::kEncodedBytes];
    ref.Encode(encoded);
    const LargeRef decoded = LargeRef::Decode(encoded);
    source_ = Map();
    EXPECT_THAT(Reader().ReadLarge(decoded, 0, size), IsOkAndHolds(value));
    EXPECT_THAT(Reader().ReadLarge(decoded, size / 2, size - size / 2),
                IsOkAndHolds(value.substr(size / 2)));
    EXPECT_THAT(Reader().ReadLarge(decoded, size, 0), IsOkAndHolds(""));
  }
}

// Only the chunks that are touched are verified, and each by itself.
TEST_F(PageSourceTest, ChunksOfALargeValue) {
  const std::string value(200000, 'x');
  const LargeRef ref = PutRun(30, value);
  source_->write_page(PageNumber(30))[70000] ^= 1;  // in chunk 1
  source_ = Map();
  EXPECT_THAT(Reader().ReadLarge(ref, 0, 65536), IsOk());
  EXPECT_THAT(Reader().ReadLarge(ref, 131072, 1000), IsOk());
  EXPECT_THAT(Reader().ReadLarge(ref, 65535, 2), StatusIs(Code::kDataLoss, HasSubstr("chunk 1")));
  EXPECT_THAT(Reader().ReadLarge(ref, 0, 200000), StatusIs(Code::kDataLoss));
  // So is a damaged checksum of a chunk.
  source_->write_page(PageNumber(30))[70000] ^= 1;
  source_->write_page(PageNumber(30))[ref.ChecksumsOffset() + 8 * 3] ^= 1;
  source_ = Map();
  EXPECT_THAT(Reader().ReadLarge(ref, 0, 196608), IsOk());
  EXPECT_THAT(Reader().ReadLarge(ref, 196608, 1), StatusIs(Code::kDataLoss, HasSubstr("chunk 3")));
}

// A value of another version in the same place, or the same elsewhere, does not validate.
TEST_F(PageSourceTest, LargeValueOfAnotherPlaceOrTime) {
  const std::string value(5000, 'x');
  const LargeRef ref = PutRun(30, value);
  LargeRef other = ref;
  other.birth = Version(kBirth.value - 1);
  source_ = Map();
  EXPECT_THAT(Reader().ReadLarge(other, 0, 5000), StatusIs(Code::kDataLoss));
  std::memcpy(source_->write_page(PageNumber(50)), source_->read_page(PageNumber(30)), 8192);
  other = ref;
  other.first_page = PageNumber(50);
  EXPECT_THAT(Reader().ReadLarge(other, 0, 5000), StatusIs(Code::kDataLoss));
  EXPECT_THAT(Reader().ReadLarge(ref, 0, 5000), IsOkAndHolds(value));
}

TEST_F(PageSourceTest, LargeValueOutOfBounds) {
  const LargeRef sound = PutRun(30, std::string(70000, 'x'));
  ASSERT_THAT(Reader().CheckBounds(sound), IsOk());
  EXPECT_THAT(Reader(47).CheckBounds(sound), StatusIs(Code::kDataLoss));
  const auto expect_refused = [&](auto change) {
    LargeRef ref = sound;
    change(ref);
    EXPECT_THAT(Reader().CheckBounds(ref), StatusIs(Code::kDataLoss));
    EXPECT_THAT(Reader().ReadLarge(ref, 0, 1), StatusIs(Code::kDataLoss));
  };
  for (const uint64_t page : {uint64_t{0}, uint64_t{8}, kPages - 5, kPages, kMaxPageNumber}) {
    expect_refused([&](LargeRef& ref) { ref.first_page = PageNumber(page); });
  }
  for (const uint64_t size :
       {uint64_t{70001}, kPages * kPageBytes, LargeRef::kMaxBytes, LargeRef::kMaxBytes + 1,
        UINT64_MAX, UINT64_MAX - 7, uint64_t{1} << 63}) {
    expect_refused([&](LargeRef& ref) { ref.stored_bytes = size; });
    expect_refused([&](LargeRef& ref) { ref.value_bytes = size; });
    if (size > 70001) {
      expect_refused([&](LargeRef& ref) { ref.value_bytes = ref.stored_bytes = size; });
      expect_refused([&](LargeRef& ref) {
        ref.compressed = true;
        ref.stored_bytes = size;
      });
    }
  }
  expect_refused([&](LargeRef& ref) { ref.birth = Version(kVersion.value + 1); });
}

TEST_F(PageSourceTest, AFaultIsDataLossFromThenOn) {
  const ChildRef ref = PutLeaf(20);
  const LargeRef run = PutRun(30, std::string(5000, 'x'));
  source_ = Map();
  ASSERT_THAT(file_.Truncate(10 * kPageBytes), IsOk());
  EXPECT_EQ(Reader().Fetch(ref, 0), nullptr);
  EXPECT_TRUE(source_->faulted());
  EXPECT_THAT(Reader().Explain(ref, 0), StatusIs(Code::kDataLoss, HasSubstr("truncated")));
  EXPECT_THAT(Reader().ReadLarge(run, 0, 5000), StatusIs(Code::kDataLoss, HasSubstr("truncated")));
}

TEST(VerifiedPagesTest, RemembersAndIsCopied) {
  VerifiedPages pages(1000);
  for (uint64_t page = 0; page < 1000; ++page) EXPECT_FALSE(pages.Test(page));
  for (uint64_t page = 0; page < 1000; page += 3) pages.EnsureSet(page);
  VerifiedPages larger(5000);
  larger.CopyFrom(pages);
  for (uint64_t page = 0; page < 5000; ++page) {
    EXPECT_EQ(larger.Test(page), page < 1000 && page % 3 == 0) << page;
  }
}

}  // namespace
}  // namespace espalier::page
