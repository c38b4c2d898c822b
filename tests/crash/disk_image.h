// The files of a directory as a crash could leave them. Blocks are shared between images, and
// blocks of zeros take no room, so that images that differ in a few sectors cost little more than
// one.
#ifndef ESPALIER_TESTS_CRASH_DISK_IMAGE_H_
#define ESPALIER_TESTS_CRASH_DISK_IMAGE_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier::testing {

// What a disk writes whole or not at all.
inline constexpr uint64_t kSectorBytes = 512;
inline constexpr uint64_t kImageBlockBytes = 4096;
inline constexpr uint64_t kSectorsPerBlock = kImageBlockBytes / kSectorBytes;

using Sector = std::array<uint8_t, kSectorBytes>;

class FileImage {
 public:
  uint64_t size_bytes() const { return size_bytes_; }
  // What is beyond the old end is zeros.
  void Resize(uint64_t size_bytes);
  // Makes the file larger where it must.
  void WriteAt(uint64_t offset, std::span<const uint8_t> bytes);

  uint64_t blocks() const { return blocks_.size(); }
  // The 4,096 bytes of a block; zeros behind the end of the file.
  const uint8_t* BlockAt(uint64_t index) const;
  bool IsZero(uint64_t index) const { return index >= blocks_.size() || blocks_[index] == nullptr; }

  uint64_t Hash() const;

 private:
  struct Block {
    std::array<uint8_t, kImageBlockBytes> bytes;
    uint64_t hash;
  };

  uint64_t size_bytes_ = 0;
  std::vector<std::shared_ptr<const Block>> blocks_;  // null: zeros
};

// By name, without the directory.
using DirectoryImage = std::map<std::string, FileImage>;

uint64_t HashOf(const DirectoryImage& image);
// Makes the files all that the directory contains.
void WriteDirectory(const DirectoryImage& image, const std::string& directory);
DirectoryImage ReadDirectory(const std::string& directory);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_DISK_IMAGE_H_
