#include "bench/steps/file_blocks.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "bench/adapters/die.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;

struct Free {
  void operator()(char* memory) const { std::free(memory); }
};

// Appends the hashes of the blocks in [offset, end).
void HashExtent(int fd, const std::string& path, uint64_t offset, uint64_t end,
                std::vector<uint64_t>& hashes) {
  std::unique_ptr<char, Free> buffer(
      static_cast<char*>(std::aligned_alloc(FileBlocks::kBlockBytes, kReadBytes)));
  while (offset < end) {
    ssize_t size = pread(fd, buffer.get(), kReadBytes, static_cast<off_t>(offset));
    if (size < 0) Die("bench", path, std::strerror(errno));
    if (size == 0) break;
    for (uint64_t at = 0; at < static_cast<uint64_t>(size) && offset + at < end;
         at += FileBlocks::kBlockBytes) {
      std::string_view block(buffer.get() + at,
                             std::min<uint64_t>(FileBlocks::kBlockBytes, size - at));
      hashes.push_back(std::hash<std::string_view>()(block));
    }
    offset += static_cast<uint64_t>(size);
  }
}

std::vector<uint64_t> HashFile(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (fd < 0) Die("bench", path, std::strerror(errno));
  std::vector<uint64_t> hashes;
  off_t data = 0;
  while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
    off_t hole = lseek(fd, data, SEEK_HOLE);
    uint64_t first_block = static_cast<uint64_t>(data) / FileBlocks::kBlockBytes;
    hashes.resize(first_block);  // the hole before
    HashExtent(fd, path, first_block * FileBlocks::kBlockBytes, static_cast<uint64_t>(hole),
               hashes);
    data = hole;
  }
  close(fd);
  return hashes;
}

}  // namespace

FileBlocks FileBlocks::Read(const std::string& directory) {
  FileBlocks blocks;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file())
      blocks.hashes_[entry.path().string()] = HashFile(entry.path().string());
  }
  return blocks;
}

uint64_t FileBlocks::ChangedBytesSince(const FileBlocks& before) const {
  uint64_t changed = 0;
  for (const auto& [path, hashes] : hashes_) {
    auto old = before.hashes_.find(path);
    for (size_t i = 0; i < hashes.size(); ++i) {
      bool same =
          old != before.hashes_.end() && i < old->second.size() && old->second[i] == hashes[i];
      if (!same) ++changed;
    }
  }
  return changed * kBlockBytes;
}

}  // namespace espalier::bench
