// The disk that the crash tests play.
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_choices.h"
#include "tests/crash/disk_image.h"
#include "tests/crash/recorded_disk.h"

namespace espalier::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::vector<uint8_t> SectorsOf(const std::string& letters) {
  std::vector<uint8_t> bytes;
  for (const char letter : letters) bytes.insert(bytes.end(), kSectorBytes, letter);
  return bytes;
}

class RecordedDiskTest : public ::testing::Test {
 protected:
  RecordedDiskTest() : disk_(StartWith("ab")) {}

  static DirectoryImage StartWith(const std::string& letters) {
    DirectoryImage image;
    image["file"].WriteAt(0, SectorsOf(letters));
    return image;
  }

  RecordedFile& file() { return *disk_.Find("file"); }

  void Write(uint64_t sector, const std::string& letters) {
    file().SeeBytes(sector * kSectorBytes, SectorsOf(letters), disk_.Now());
  }

  // All images without damaged sectors, a letter for each whole sector.
  std::set<std::string> Images() const {
    std::set<std::string> images = AllImages();
    std::erase_if(
        images, [](const std::string& letters) { return letters.find(kDamaged) != letters.npos; });
    return images;
  }

  static constexpr char kDamaged = '\xdb';

  std::set<std::string> AllImages() const {
    std::set<std::string> images;
    std::mt19937_64 random;
    CrashChoices(disk_).ForEachImage(random, 1000, 1000, [&](const DirectoryImage& image) {
      std::string letters;
      for (const auto& [name, content] : image) {
        if (name != "file") letters += name + ":";
        for (uint64_t at = 0; at + kSectorBytes <= content.size_bytes(); at += kSectorBytes) {
          const uint8_t letter = content.BlockAt(at / kImageBlockBytes)[at % kImageBlockBytes];
          letters += letter == 0 ? '.' : static_cast<char>(letter);
        }
      }
      images.insert(letters);
    });
    return images;
  }

  RecordedDisk disk_;
};

TEST_F(RecordedDiskTest, ASectorHasAnyOfItsVersions) {
  EXPECT_THAT(Images(), ElementsAre("ab"));
  Write(0, "c");
  Write(0, "d");
  EXPECT_THAT(Images(), UnorderedElementsAre("ab", "cb", "db"));
  Write(1, "e");
  EXPECT_THAT(Images(), UnorderedElementsAre("ab", "cb", "db", "ae", "ce", "de"));
}

TEST_F(RecordedDiskTest, OnlyASectorThatIsBeingWrittenIsDamaged) {
  Write(0, "c");
  EXPECT_THAT(AllImages(), UnorderedElementsAre("ab", "cb", "\xdb\x62"));
}

TEST_F(RecordedDiskTest, AFlushCoversItsRangeAndWhatWasThereWhenItBegan) {
  Write(0, "c");
  Write(1, "d");
  const Stamp begun = disk_.Now();
  Write(0, "e");
  file().RangeFlushed(0, kSectorBytes, begun);
  EXPECT_THAT(Images(), UnorderedElementsAre("cb", "cd", "eb", "ed"));
  file().Flushed(disk_.Now());
  EXPECT_THAT(Images(), ElementsAre("ed"));
}

TEST_F(RecordedDiskTest, SizesLieBetweenThoseThatWereFlushed) {
  Write(2, "cd");
  EXPECT_THAT(Images(), UnorderedElementsAre("ab", "ab.", "abc", "ab..", "abc.", "ab.d", "abcd"));
  // What is flushed is within the file.
  file().RangeFlushed(0, 4 * kSectorBytes, disk_.Now());
  EXPECT_THAT(Images(), ElementsAre("abcd"));
}

TEST_F(RecordedDiskTest, WhatWasCutOffIsZerosWhenTheFileGrowsAgain) {
  file().SeeSize(kSectorBytes, disk_.Now());
  file().SeeSize(2 * kSectorBytes, disk_.Now());
  EXPECT_THAT(Images(), UnorderedElementsAre("ab", "a", "a."));
  // A flush of both sectors rules out that only one is there.
  file().RangeFlushed(0, 2 * kSectorBytes, disk_.Now());
  EXPECT_THAT(Images(), ElementsAre("a."));
}

TEST_F(RecordedDiskTest, NamesAreDurableWithTheDirectory) {
  disk_.Created("new");
  disk_.Find("new")->SeeBytes(0, SectorsOf("x"), disk_.Now());
  disk_.Find("new")->Flushed(disk_.Now());
  EXPECT_THAT(Images(), UnorderedElementsAre("ab", "abnew:x"));
  disk_.Renamed("new", "file");
  EXPECT_THAT(Images(), UnorderedElementsAre("ab", "abnew:x", "x"));
  disk_.DirectoryFlushed(disk_.Now());
  EXPECT_THAT(Images(), ElementsAre("x"));
  disk_.Removed("file");
  EXPECT_THAT(Images(), UnorderedElementsAre("x", ""));
}

}  // namespace
}  // namespace espalier::testing
