// Superblocks and slots made by somebody who knows the format and means harm.

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/checksum.h"
#include "engine/base/endian.h"
#include "engine/base/status_for_testing.h"
#include "engine/page/checkpoint_slot.h"
#include "engine/page/superblock.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"
#include "tests/internal/hostile/crafted_file.h"
#include "tests/internal/hostile/crafted_fixture.h"

namespace espalier {
namespace {

using page::ChildRef;
using testing::Bytes;
using testing::CraftedFile;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeSample;
using ::testing::Not;
using testing::ReadEverything;
using testing::Sample;
using testing::SmallMappingOptions;

class CraftedSlotsTest : public testing::CraftedTest {};

void Reseal(Bytes& image) {
  StoreLE64(image.data(), Checksum(image.data() + 8, page::Superblock::kEncodedBytes - 8, 0));
}

TEST_F(CraftedSlotsTest, UnknownVersion) {
  Bytes image = MakeSample().image;
  for (const uint32_t version : {0u, 2u, 3u, 1u << 16, UINT32_MAX}) {
    StoreLE32(image.data() + 16, version);
    Reseal(image);
    EXPECT_THAT(Open(image),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(absl::StrCat(version))));
    EXPECT_THAT(Open(image, SmallMappingOptions(/*read_only=*/true)),
                StatusIs(absl::StatusCode::kUnimplemented));
  }
}

TEST_F(CraftedSlotsTest, WrongPageSize) {
  const Sample sample = MakeSample();
  for (const uint32_t page_size : {0u, 1u, 2048u, 4095u, 5000u, 131072u, 1u << 31}) {
    Bytes image = sample.image;
    StoreLE32(image.data() + 20, page_size);
    Reseal(image);
    EXPECT_THAT(Open(image), StatusIs(absl::StatusCode::kDataLoss));
  }
  // Possible ones that are not this file's.
  for (const uint32_t page_size : {8192u, 16384u, 32768u, 65536u}) {
    Bytes image = sample.image;
    StoreLE32(image.data() + 20, page_size);
    Reseal(image);
    EXPECT_THAT(Open(image), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// Marks of the reader table are versions that no file may have: with one of them a Close() waited
// for ever for a reader that was "just going".
TEST_F(CraftedSlotsTest, ImpossibleVersions) {
  for (const uint64_t version :
       {uint64_t{0}, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, uint64_t{1} << 63}) {
    SCOPED_TRACE(version);
    CraftedFile crafted;
    crafted.SetDefaultKeyspace({crafted.AddLeaf({{"a", {"1"}}}), 1, 1});
    crafted.slot().version = Version(version);
    EXPECT_THAT(Open(crafted.Image()), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(CraftedSlotsTest, ImpossibleSequences) {
  // The next one must still be higher.
  for (const uint64_t sequence : {UINT64_MAX - 1, uint64_t{1} << 63}) {
    CraftedFile crafted;
    crafted.SetDefaultKeyspace({crafted.AddLeaf({{"a", {"1"}}}), 1, 1});
    crafted.slot().sequence = sequence;
    EXPECT_THAT(Open(crafted.Image()), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// What comes after the highest ones could not be read again.
TEST_F(CraftedSlotsTest, TheHighestVersionsAreOnlyRead) {
  for (const bool version : {true, false}) {
    SCOPED_TRACE(version ? "version" : "sequence");
    CraftedFile crafted;
    crafted.SetDefaultKeyspace({crafted.AddLeaf({{"a", {"1"}}}), 1, 1});
    if (version) {
      crafted.slot().version = Version(page::kMaxVersion);
    } else {
      crafted.slot().sequence = page::kMaxVersion;
    }
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    EXPECT_THAT(db.Put(db.default_keyspace(), "b", "2"),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(db.Compact(), StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(db.Close(), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(db, Database::Open(file_.path(), SmallMappingOptions()));
    EXPECT_THAT(db.Get(db.default_keyspace(), "a"), IsOkAndHolds(std::string("1")));
  }
}

TEST_F(CraftedSlotsTest, ImpossibleSlots) {
  using Change = std::function<void(page::CheckpointSlot&)>;
  const std::vector<std::pair<const char*, Change>> changes = {
      {"page count 0", [](auto& slot) { slot.page_count = 1; }},
      {"page count too high", [](auto& slot) { slot.page_count = 1000; }},
      {"page count impossible", [](auto& slot) { slot.page_count = UINT64_MAX; }},
      {"space map too high", [](auto& slot) { slot.space_map_height = 5; }},
      {"space map far too high", [](auto& slot) { slot.space_map_height = UINT32_MAX; }},
      {"space map nowhere",
       [](auto& slot) {
         slot.space_map = ChildRef(UINT64_MAX);
         slot.space_map_height = 1;
       }},
      {"space map is the superblock",
       [](auto& slot) {
         slot.space_map = ChildRef(0);
         slot.space_map_height = 1;
       }},
      {"catalogue too high",
       [](auto& slot) {
         slot.catalogue = {ChildRef(9), 1, 41};
       }},
  };
  for (const auto& [name, change] : changes) {
    SCOPED_TRACE(name);
    CraftedFile crafted;
    crafted.SetDefaultKeyspace({crafted.AddLeaf({{"a", {"1"}}}), 1, 1});
    change(crafted.slot());
    EXPECT_THAT(Open(crafted.Image()), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// The slot's own keyspace holds, whatever the catalogue says of it.
TEST_F(CraftedSlotsTest, TheSlotsKeyspace) {
  const testing::Contents contents = {{"", {{"b", "2"}}}};
  {
    CraftedFile crafted;
    const ChildRef old_leaf = crafted.AddLeaf({{"a", {"1"}}});
    crafted.SetDefaultKeyspace({old_leaf, 1, 1});
    crafted.MarkFree(old_leaf.number());
    crafted.slot().keyspace = {0, {crafted.AddLeaf({{"b", {"2"}}}), 1, 1}, 0};
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    EXPECT_EQ(ReadEverything(db, contents).wrong, "");
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_THAT(report.problems, IsEmpty());
    ChangeEverything(db);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport after, db.Verify());
    EXPECT_THAT(after.problems, IsEmpty());
  }
  {
    SCOPED_TRACE("behind the file");
    CraftedFile crafted;
    crafted.SetDefaultKeyspace({crafted.AddLeaf({{"a", {"1"}}}), 1, 1});
    crafted.slot().keyspace = {0, {ChildRef::Make(PageNumber(1'000'000), Version(1)), 1, 1}, 0};
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    EXPECT_TRUE(ReadEverything(db, contents).damaged);
    ChangeEverything(db);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_THAT(report.problems, Not(IsEmpty()));
  }
  {
    SCOPED_TRACE("of no name");
    CraftedFile crafted;
    crafted.SetDefaultKeyspace({crafted.AddLeaf({{"b", {"2"}}}), 1, 1});
    crafted.slot().keyspace = {77, {crafted.AddLeaf({{"c", {"3"}}}), 1, 1}, 0};
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    EXPECT_EQ(ReadEverything(db, contents).wrong, "");
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_THAT(report.problems, Not(IsEmpty()));
    ChangeEverything(db);
  }
}

}  // namespace
}  // namespace espalier
