// A write that the disk acknowledged and did not do: the page is as it was before, with a checksum
// that is right. Its birth then is not the one that its parent refers to (docs/design.md, "The
// file"); what is read is right, or kDataLoss.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"

namespace espalier {
namespace {

using testing::Bytes;
using testing::Contents;
using testing::MemoryFile;
using testing::ReadEverything;
using testing::ReadFile;
using testing::ReadResult;
using testing::SmallMappingOptions;

constexpr size_t kPageBytes = 4096;
constexpr size_t kFirstPage = 9;  // behind the superblock and the slots
constexpr int kRounds = 5;

// Some of the entries get a new value, in a checkpoint of its own.
void WriteRound(Database& db, Contents& contents, int round) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
  for (int i = round; i < 2000; i += 1 + round) {
    const std::string key = absl::StrCat("key", i);
    const std::string value = absl::StrCat("round ", round, " of ", key);
    contents[""][key] = value;
    ASSERT_THAT(txn.Put(db.default_keyspace(), key, value), IsOk());
  }
  ASSERT_THAT(txn.Commit(), IsOk());
  ASSERT_THAT(db.Checkpoint(), IsOk());
}

TEST(LostWriteTest, EachPageInTurn) {
  const os::TempDir dir;
  const std::string path = dir.File("db.esp");
  Contents contents;
  std::vector<Bytes> images;
  for (int round = 0; round < kRounds; ++round) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    ASSERT_NO_FATAL_FAILURE(WriteRound(db, contents, round));
    ASSERT_THAT(db.Close(), IsOk());
    images.push_back(ReadFile(path));
  }
  const Bytes newest = std::move(images.back());
  images.pop_back();

  MemoryFile file;
  file.SetContent(newest);
  int lost = 0;
  int noticed = 0;
  for (const Bytes& older : images) {
    const size_t pages = std::min(older.size(), newest.size()) / kPageBytes;
    for (size_t page = kFirstPage; page < pages; ++page) {
      const auto old_page = std::span(older).subspan(page * kPageBytes, kPageBytes);
      const auto new_page = std::span(newest).subspan(page * kPageBytes, kPageBytes);
      if (std::equal(old_page.begin(), old_page.end(), new_page.begin())) continue;
      ++lost;
      SCOPED_TRACE(absl::StrCat("page ", page));
      file.WriteAt(page * kPageBytes, old_page);
      auto db = Database::Open(file.path(), SmallMappingOptions(/*read_only=*/true));
      if (db.ok()) {
        const ReadResult result = ReadEverything(*db, contents);
        EXPECT_EQ(result.wrong, "");
        noticed += result.damaged ? 1 : 0;
      } else {
        EXPECT_THAT(db, StatusIs(absl::StatusCode::kDataLoss));
        ++noticed;
      }
      file.WriteAt(page * kPageBytes, new_page);
    }
  }
  std::printf("%d writes lost, %d of them noticed\n", lost, noticed);
  EXPECT_GT(noticed, 0);
}

}  // namespace
}  // namespace espalier
