// Every single bit of a database flipped in turn: each read gives the right data or kDataLoss. LMDB
// and SQLite return wrong data for most bits.

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"

namespace espalier {
namespace {

using testing::Bytes;
using testing::MakeSample;
using testing::MemoryFile;
using testing::ReadEverything;
using testing::ReadResult;
using testing::Sample;
using testing::SmallMappingOptions;

// No single image may take long.
constexpr unsigned kSecondsPerImage = 60;

bool IsRefusal(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsInvalidArgument(status) ||
         absl::IsUnimplemented(status);
}

struct Tally {
  uint64_t refused = 0;
  uint64_t data_loss = 0;
  uint64_t unnoticed = 0;  // and nothing wrong
};

class BitFlip {
 public:
  explicit BitFlip(const Sample& sample) : sample_(sample) { file_.SetContent(sample.image); }

  // Flips one bit, reads, flips it back.
  void Try(uint64_t bit) {
    const uint64_t offset = bit / 8;
    const uint8_t byte = sample_.image[offset];
    file_.WriteByte(offset, static_cast<uint8_t>(byte ^ 1 << bit % 8));
    alarm(kSecondsPerImage);
    Read(bit);
    file_.WriteByte(offset, byte);
  }

  const Tally& tally() const { return tally_; }

 private:
  void Read(uint64_t bit) {
    SCOPED_TRACE("bit " + std::to_string(bit % 8) + " of byte " + std::to_string(bit / 8));
    auto db = Database::Open(file_.path(), SmallMappingOptions(/*read_only=*/true));
    if (!db.ok()) {
      EXPECT_TRUE(IsRefusal(db.status())) << db.status();
      ++tally_.refused;
      return;
    }
    const ReadResult result = ReadEverything(*db, sample_.contents);
    EXPECT_EQ(result.wrong, "");
    const auto report = db->Verify();
    if (report.ok()) {
      // What reads as damaged is damaged. (The reverse need not hold: Verify reads more.)
      if (result.damaged) {
        EXPECT_FALSE(report->ok()) << "damage that Verify does not see";
      }
    } else {
      EXPECT_TRUE(absl::IsDataLoss(report.status())) << report.status();
    }
    ++(result.damaged || !report.ok() || !report->ok() ? tally_.data_loss : tally_.unnoticed);
  }

  const Sample& sample_;
  MemoryFile file_;
  Tally tally_;
};

void Print(const Tally& tally) {
  std::printf("%llu images refused, %llu with data loss, %llu without consequence\n",
              static_cast<unsigned long long>(tally.refused),
              static_cast<unsigned long long>(tally.data_loss),
              static_cast<unsigned long long>(tally.unnoticed));
}

TEST(BitFlipTest, TheSampleItselfIsSound) {
  for (const uint32_t page_size : {4096u, 16384u, 65536u}) {
    const Sample sample =
        MakeSample({.page_size_bytes = page_size, .chunked_value = true, .dropped_tree = true});
    MemoryFile file;
    file.SetContent(sample.image);
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), SmallMappingOptions()));
    const ReadResult result = ReadEverything(db, sample.contents);
    EXPECT_EQ(result.wrong, "");
    EXPECT_FALSE(result.damaged);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_THAT(report.problems, ::testing::IsEmpty());
  }
}

// The fixed area's first bytes whole, and of the rest a sample.
TEST(BitFlipTest, SampledBits) {
  const Sample sample = MakeSample({.chunked_value = true});
  std::mt19937_64 random(TestSeed(1));
  std::vector<uint64_t> bits;
  // The superblock (128 bytes at 0) and the slots (256 bytes each at 16 and 32 KiB).
  for (const auto& [offset, bytes] :
       {std::pair{0u, 128u}, std::pair{16384u, 256u}, std::pair{32768u, 256u}}) {
    for (uint64_t bit = 0; bit < 8 * bytes; ++bit) bits.push_back(8 * offset + bit);
  }
  // All the headers, 32 bytes each.
  for (uint64_t page = 9; page < sample.image.size() / 4096; ++page) {
    for (uint64_t byte = 0; byte < 32; ++byte) {
      bits.push_back(8 * (4096 * page + byte) + random() % 8);
    }
  }
  for (int i = 0; i < 2000; ++i) bits.push_back(random() % (8 * sample.image.size()));

  BitFlip flip(sample);
  for (const uint64_t bit : bits) {
    flip.Try(bit);
    if (HasFailure()) break;
  }
  Print(flip.tally());
  EXPECT_GT(flip.tally().refused, 0u);
  EXPECT_GT(flip.tally().data_loss, 0u);
}

// $ESPALIER_EVERY_BIT chooses the exhaustive run, which the target bit_flip_long_test is.
TEST(BitFlipTest, EveryBit) {
  const Sample sample = MakeSample();
  // A database of about 64 KiB.
  EXPECT_LE(sample.image.size(), size_t{128} << 10);
  const bool all = getenv("ESPALIER_EVERY_BIT") != nullptr;
  const uint64_t stride = all ? 1 : 1009;
  BitFlip flip(sample);
  for (uint64_t bit = 0; bit < 8 * sample.image.size() && !HasFailure(); bit += stride) {
    flip.Try(bit);
  }
  std::printf("%zu bytes, every %llu. bit: ", sample.image.size(),
              static_cast<unsigned long long>(stride));
  Print(flip.tally());
}

}  // namespace
}  // namespace espalier
