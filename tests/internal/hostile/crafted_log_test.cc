// Logs whose last record is sound by its checksum, but refers to leaves that no transaction can
// have left behind.
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_writer.h"
#include "engine/log/redo.h"
#include "engine/os/file.h"
#include "engine/os/temp_dir_for_testing.h"
#include "engine/page/checkpoint_slot.h"
#include "engine/page/checksum.h"
#include "engine/page/format.h"
#include "engine/page/large_ref.h"
#include "engine/page/node_builder.h"
#include "engine/page/page_source.h"
#include "engine/page/superblock.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using page::Header;
using page::LargeRef;
using page::LeafEntry;

constexpr uint32_t kPageBytes = 4096;

class CraftedLogTest : public ::testing::Test {
 protected:
  // A database that was not closed, whose log goes on from its only checkpoint; its file has free
  // pages at the end.
  void SetUp() override {
    Options options;
    options.durability = Durability::kAsync;
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_, options));
    for (int i = 0; i < 1000; ++i) {
      ASSERT_THAT(
          db.Put(db.default_keyspace(), absl::StrCat("key", i), std::string(100, 'v')).status(),
          IsOk());
    }
    ASSERT_THAT(db.Checkpoint(), IsOk());
    ASSERT_THAT(db.Put(db.default_keyspace(), "last", "one").status(), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db.GetStats());
    version_ = Version(stats.newest_version + 1);
    free_page_ = stats.file_bytes / kPageBytes - 1;
    const ReadTransaction open = db.BeginRead().value();
    { const Database gone = std::move(db); }
  }

  // As the engine would have written it, were it not for what it says.
  Header& AddLeaf(const std::vector<LeafEntry>& entries, std::vector<uint8_t>& bytes) const {
    bytes.assign(kPageBytes, 0);
    Header& header = page::HeaderOf(bytes.data());
    header.identity = Header::MakeIdentity(PageNumber(free_page_), page::Kind::kLeaf, 0);
    header.birth = version_.value;
    page::BuildLeaf(entries, bytes.data(), kPageBytes);
    return header;
  }
  void StoreLeaf(std::vector<uint8_t>& bytes, bool seal = true) const {
    if (seal) page::SealPage(bytes.data(), kPageBytes, PageNumber(free_page_));
    auto file = os::File::Open(path_, os::OpenMode::kReadWrite);
    ASSERT_THAT(file.status(), IsOk());
    ASSERT_THAT(file->WriteAt(free_page_ * kPageBytes, bytes), IsOk());
  }
  void StoreLeaf(const std::vector<LeafEntry>& entries) const {
    std::vector<uint8_t> bytes;
    AddLeaf(entries, bytes);
    StoreLeaf(bytes);
  }

  // A large value of 100,000 bytes near the end of the file.
  LargeRef StoreRun(char filler) const {
    LargeRef ref;
    ref.first_page = PageNumber(free_page_ - 30);
    ref.value_bytes = ref.stored_bytes = 100'000;
    ref.birth = version_;
    std::vector<uint8_t> run(ref.RunPages(kPageBytes) * kPageBytes, static_cast<uint8_t>(filler));
    page::SealLarge(ref, run.data());
    auto file = os::File::Open(path_, os::OpenMode::kReadWrite);
    EXPECT_THAT(file.status(), IsOk());
    EXPECT_THAT(file->WriteAt(ref.first_page.value * kPageBytes, run), IsOk());
    return ref;
  }
  void ReferTo(const LargeRef& ref) const {
    std::array<uint8_t, LargeRef::kEncodedBytes> reference;
    ref.Encode(reference.data());
    AppendToLog([&](log::RedoBuffer& redo) { redo.PutLarge(0, "x", reference); });
  }

  void AppendToLog(const std::function<void(log::RedoBuffer&)>& fill) const {
    const std::string log_path = path_ + "-wal";
    auto file = os::File::Open(log_path, os::OpenMode::kReadWrite);
    ASSERT_THAT(file.status(), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto header, log::ReadHeader(*file));
    ASSERT_TRUE(header.has_value());
    const log::LogPlace begin{.generation = header->generation, .sequence = 1};
    log::LogReader reader(&*file, header->ring_bytes, begin);
    while (reader.Next()->has_value()) {
    }
    ESPALIER_ASSERT_OK_AND_ASSIGN(
        const auto writer,
        log::LogWriter::Continue(*std::move(file), header->ring_bytes, reader.place(),
                                 begin.position, {[](Version) {}}));
    log::RedoBuffer redo;
    fill(redo);
    ESPALIER_ASSERT_OK_AND_ASSIGN(
        const auto appended,
        writer->Append(log::RecordKind::kTransaction, version_, redo.record(), true));
    ASSERT_THAT(writer->Flush(appended.end), IsOk());
  }
  void ReferTo(const std::vector<PageRun>& runs, uint64_t keyspace = 0) const {
    std::vector<uint64_t> checksums;
    const auto file = os::File::Open(path_, os::OpenMode::kReadOnly);
    ASSERT_THAT(file.status(), IsOk());
    for (const PageRun& run : runs) {
      for (uint64_t page = run.first; page - run.first < run.count; ++page) {
        std::vector<uint8_t> bytes(kPageBytes);
        if (page > free_page_ || !file->ReadAt(page * kPageBytes, bytes).ok()) break;
        checksums.push_back(page::HeaderOf(bytes.data()).checksum);
      }
    }
    AppendToLog([&](log::RedoBuffer& redo) {
      redo.AppendLeaves(keyspace, runs, log::ChecksumOfLeaves(checksums));
    });
  }

  // The log ends before the record.
  void ExpectWithoutIt() const {
    for (const bool read_only : {true, false}) {
      Options options;
      options.read_only = read_only;
      ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_, options));
      EXPECT_THAT(db.Count(db.default_keyspace()), IsOkAndHolds(1001u));
      ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
      EXPECT_THAT(report.problems, ::testing::IsEmpty());
    }
  }
  void ExpectDataLoss() const {
    for (const bool read_only : {true, false}) {
      Options options;
      options.read_only = read_only;
      EXPECT_THAT(Database::Open(path_, options), StatusIs(absl::StatusCode::kDataLoss));
    }
  }

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
  Version version_;
  uint64_t free_page_ = 0;
};

// So that the cases below prove something.
TEST_F(CraftedLogTest, ALeafInOrderIsAppended) {
  StoreLeaf({{"x", {"1"}}, {"y", {"2"}}});
  ReferTo({{free_page_, 1}});
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
  EXPECT_THAT(db.Get(db.default_keyspace(), "y"), IsOkAndHolds("2"));
  EXPECT_THAT(db.Count(db.default_keyspace()), IsOkAndHolds(1003u));
}

TEST_F(CraftedLogTest, PagesThatCannotBe) {
  const std::filesystem::path original = dir_.File("original");
  std::filesystem::copy(path_, original);
  std::filesystem::copy(path_ + "-wal", original.string() + "-wal");
  const std::vector<std::vector<PageRun>> cases = {
      {{0, 1}},                    // the superblock
      {{9, 1}},                    // in use, perhaps
      {{free_page_, 0}},           // none
      {{free_page_, 2}},           // behind the file
      {{free_page_ + 1, 1}},       // as well
      {{free_page_, UINT64_MAX}},  // round the end of all numbers
      {{UINT64_MAX, 1}},
      {{uint64_t{1} << 52, 1}},
      {{free_page_, 1}, {free_page_, 1}},  // twice
      {{free_page_ - 1, 2}},               // one of them is no leaf
  };
  for (const auto& runs : cases) {
    SCOPED_TRACE(absl::StrCat(runs[0].first, " ", runs[0].count));
    for (const char* const suffix : {"", "-wal"}) {
      std::filesystem::copy_file(original.string() + suffix, path_ + suffix,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    StoreLeaf({{"x", {"1"}}});
    ReferTo(runs);
    ExpectWithoutIt();
  }
}

TEST_F(CraftedLogTest, ALeafOfAnotherVersion) {
  std::vector<uint8_t> bytes;
  AddLeaf({{"x", {"1"}}}, bytes).birth = version_.value - 1;
  StoreLeaf(bytes);
  ReferTo({{free_page_, 1}});
  ExpectWithoutIt();
}

// A version that was lost or rolled back may come again, and so may its pages.
TEST_F(CraftedLogTest, AnotherLeafOfTheSameVersion) {
  StoreLeaf({{"x", {"1"}}});
  ReferTo({{free_page_, 1}});
  StoreLeaf({{"x", {"2"}}});
  ExpectWithoutIt();
}

TEST_F(CraftedLogTest, ALeafOfAnotherPage) {
  std::vector<uint8_t> bytes;
  AddLeaf({{"x", {"1"}}}, bytes).identity =
      Header::MakeIdentity(PageNumber(free_page_ - 1), page::Kind::kLeaf, 0);
  StoreLeaf(bytes);
  ReferTo({{free_page_, 1}});
  ExpectWithoutIt();
}

TEST_F(CraftedLogTest, ALeafThatIsTorn) {
  std::vector<uint8_t> bytes;
  AddLeaf({{"x", {"1"}}}, bytes);
  page::SealPage(bytes.data(), kPageBytes, PageNumber(free_page_));
  bytes[kPageBytes - 1] ^= 1;
  StoreLeaf(bytes, /*seal=*/false);
  ReferTo({{free_page_, 1}});
  ExpectWithoutIt();
}

TEST_F(CraftedLogTest, AnArgumentThatIsNone) {
  AppendToLog([&](log::RedoBuffer& redo) {
    redo.AppendLeaves(0, std::vector<PageRun>{{5, 1}}, 0);
    const auto payload = redo.record().subspan(sizeof(log::RecordHeader));
    payload[3] = 0x85;
  });
  ExpectWithoutIt();
}

TEST_F(CraftedLogTest, ALargeValueInOrderIsPut) {
  ReferTo(StoreRun('1'));
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path_));
  EXPECT_THAT(db.Get(db.default_keyspace(), "x"), IsOkAndHolds(std::string(100'000, '1')));
}

TEST_F(CraftedLogTest, ImpossibleVersions) {
  const std::filesystem::path original = dir_.File("original");
  std::filesystem::copy(path_, original);
  std::filesystem::copy(path_ + "-wal", original.string() + "-wal");
  const uint64_t lost_versions = (uint64_t{1} << 32) + 40503;  // that a recovery skips
  for (const uint64_t version : {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 1 - lost_versions,
                                 UINT64_MAX - lost_versions, page::kMaxVersion}) {
    SCOPED_TRACE(version);
    std::filesystem::copy(original, path_, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy(original.string() + "-wal", path_ + "-wal",
                          std::filesystem::copy_options::overwrite_existing);
    version_ = Version(version);
    AppendToLog([](log::RedoBuffer& redo) { redo.Put(0, "x", "1"); });
    ExpectDataLoss();
  }
}

TEST_F(CraftedLogTest, ImpossiblePositions) {
  auto file = os::File::Open(path_, os::OpenMode::kReadWrite);
  ASSERT_THAT(file.status(), IsOk());
  std::array<uint8_t, page::Superblock::kEncodedBytes> superblock_bytes{};
  ASSERT_THAT(file->ReadAt(page::kSuperblockOffset, superblock_bytes), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const page::Superblock superblock,
                                page::Superblock::Decode(superblock_bytes, path_));
  for (const uint64_t position :
       {uint64_t{8}, uint64_t{512}, UINT64_MAX - 4095, UINT64_MAX, uint64_t{1} << 63}) {
    SCOPED_TRACE(position);
    for (uint32_t i = 0; i < 2; ++i) {
      std::array<uint8_t, page::CheckpointSlot::kEncodedBytes> bytes{};
      ASSERT_THAT(file->ReadAt(page::kSlotOffsets[i], bytes), IsOk());
      std::optional<page::CheckpointSlot> slot =
          page::CheckpointSlot::Decode(bytes, superblock.uuid, i);
      ASSERT_TRUE(slot.has_value());
      slot->log_position = position;
      ASSERT_THAT(file->WriteAt(page::kSlotOffsets[i], slot->Encode(superblock.uuid, i)), IsOk());
    }
    ExpectDataLoss();
  }
}

// Its chunks match their checksums, which lie beside them.
TEST_F(CraftedLogTest, AnotherLargeValueOfTheSameVersion) {
  ReferTo(StoreRun('1'));
  StoreRun('2');
  ExpectWithoutIt();
}

// A record as large as may be never has room.
TEST_F(CraftedLogTest, ARingThatIsTooSmall) {
  for (const uint64_t blocks : {1, 2, 3, 4, 16}) {
    const std::string path = dir_.File(absl::StrCat(blocks));
    {
      ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
      ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
      const ReadTransaction open = db.BeginRead().value();
      { const Database gone = std::move(db); }
    }
    auto file = os::File::Open(path + "-wal", os::OpenMode::kReadWrite);
    ASSERT_THAT(file.status(), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(auto header, log::ReadHeader(*file));
    ASSERT_TRUE(header.has_value());
    header->ring_bytes = blocks * log::kBlockBytes;
    ASSERT_THAT(file->WriteAt(0, header->Encode()), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    EXPECT_THAT(db.Get(db.default_keyspace(), "key"), IsOkAndHolds("value"));
    for (int i = 0; i < 10; ++i) {
      ASSERT_THAT(db.Put(db.default_keyspace(), "more", std::string(1000, 'm')), IsOk());
    }
  }
}

// The record was written whole, and so was the leaf: something is wrong.
TEST_F(CraftedLogTest, KeysThatAreNotGreater) {
  StoreLeaf({{"a", {"1"}}});
  ReferTo({{free_page_, 1}});
  ExpectDataLoss();
}

TEST_F(CraftedLogTest, ValuesThatAreNotPlain) {
  const std::string reference(40, 'r');
  StoreLeaf({{"x", {reference, false, true}}});
  ReferTo({{free_page_, 1}});
  ExpectDataLoss();
}

TEST_F(CraftedLogTest, NoSuchKeyspace) {
  StoreLeaf({{"x", {"1"}}});
  ReferTo({{free_page_, 1}}, /*keyspace=*/77);
  ExpectDataLoss();
}

}  // namespace
}  // namespace espalier
