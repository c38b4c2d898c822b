#include "tests/crash/disk_image.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "tests/hostile/memory_file.h"

namespace espalier::testing {
namespace {

constexpr std::array<uint8_t, kImageBlockBytes> kZeros{};

void Check(bool went_well, const std::string& what) {
  if (went_well) return;
  perror(what.c_str());
  abort();
}

bool AllZero(const uint8_t* block) { return std::memcmp(block, kZeros.data(), kZeros.size()) == 0; }

}  // namespace

const uint8_t* FileImage::BlockAt(uint64_t index) const {
  return IsZero(index) ? kZeros.data() : blocks_[index]->bytes.data();
}

void FileImage::Resize(uint64_t size_bytes) {
  const uint64_t in_last = size_bytes % kImageBlockBytes;
  const bool cuts = size_bytes < size_bytes_ && in_last != 0;
  blocks_.resize((size_bytes + kImageBlockBytes - 1) / kImageBlockBytes);
  size_bytes_ = size_bytes;
  if (cuts && blocks_.back() != nullptr) {
    WriteAt(size_bytes, std::span(kZeros).first(kImageBlockBytes - in_last));
    size_bytes_ = size_bytes;
  }
}

void FileImage::WriteAt(uint64_t offset, std::span<const uint8_t> bytes) {
  if (offset + bytes.size() > size_bytes_) Resize(offset + bytes.size());
  while (!bytes.empty()) {
    const uint64_t index = offset / kImageBlockBytes;
    const uint64_t within = offset % kImageBlockBytes;
    const uint64_t step = std::min<uint64_t>(bytes.size(), kImageBlockBytes - within);
    auto block = std::make_shared<Block>();
    std::memcpy(block->bytes.data(), BlockAt(index), kImageBlockBytes);
    std::memcpy(block->bytes.data() + within, bytes.data(), step);
    if (AllZero(block->bytes.data())) {
      blocks_[index] = nullptr;
    } else {
      block->hash = XXH3_64bits_withSeed(block->bytes.data(), kImageBlockBytes, index);
      blocks_[index] = std::move(block);
    }
    offset += step;
    bytes = bytes.subspan(step);
  }
}

uint64_t FileImage::Hash() const {
  uint64_t sum = XXH3_64bits(&size_bytes_, sizeof(size_bytes_));
  for (const auto& block : blocks_) sum += block == nullptr ? 0 : block->hash;
  return sum;
}

uint64_t HashOf(const DirectoryImage& image) {
  uint64_t sum = 0;
  for (const auto& [name, file] : image) {
    const uint64_t hashes[2] = {sum, file.Hash()};
    sum = XXH3_64bits_withSeed(hashes, sizeof(hashes), XXH3_64bits(name.data(), name.size()));
  }
  return sum;
}

void WriteDirectory(const DirectoryImage& image, const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::filesystem::remove(entry.path());
  }
  std::vector<uint8_t> run;
  for (const auto& [name, file] : image) {
    const std::string path = directory + "/" + name;
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    Check(fd != -1, path);
    for (uint64_t i = 0; i < file.blocks();) {
      const uint64_t first = i;
      run.clear();
      for (; !file.IsZero(i); ++i) {
        run.insert(run.end(), file.BlockAt(i), file.BlockAt(i) + kImageBlockBytes);
      }
      if (!run.empty()) {
        Check(pwrite(fd, run.data(), run.size(), static_cast<off_t>(first * kImageBlockBytes)) ==
                  static_cast<ssize_t>(run.size()),
              path);
      }
      ++i;
    }
    Check(ftruncate(fd, static_cast<off_t>(file.size_bytes())) == 0, path);
    close(fd);
  }
}

DirectoryImage ReadDirectory(const std::string& directory) {
  DirectoryImage image;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    image[entry.path().filename()].WriteAt(0, ReadFile(entry.path()));
  }
  return image;
}

}  // namespace espalier::testing
