#include "bench/steps/file_blocks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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

// Reads [offset, end) and hands on each piece with its offset.
template <class Consumer>
void ReadExtent(int fd, const std::string& path, uint64_t offset, uint64_t end,
                Consumer&& consume) {
  std::unique_ptr<char, Free> buffer(
      static_cast<char*>(std::aligned_alloc(FileBlocks::kBlockBytes, kReadBytes)));
  while (offset < end) {
    ssize_t size = pread(fd, buffer.get(), kReadBytes, static_cast<off_t>(offset));
    if (size < 0) Die("bench", path, std::strerror(errno));
    if (size == 0) break;
    uint64_t wanted = std::min(static_cast<uint64_t>(size), end - offset);
    consume(offset, std::string_view(buffer.get(), wanted));
    offset += static_cast<uint64_t>(size);
  }
}

// The same for all parts of a file that are not holes; every piece begins at a block.
template <class Consumer>
void ReadFile(const std::string& path, int open_flags, Consumer&& consume) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | open_flags);
  if (fd < 0) Die("bench", path, std::strerror(errno));
  off_t data = 0;
  while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
    off_t hole = lseek(fd, data, SEEK_HOLE);
    uint64_t first =
        static_cast<uint64_t>(data) / FileBlocks::kBlockBytes * FileBlocks::kBlockBytes;
    ReadExtent(fd, path, first, static_cast<uint64_t>(hole), consume);
    data = hole;
  }
  close(fd);
}

std::vector<uint64_t> HashFile(const std::string& path) {
  std::vector<uint64_t> hashes;
  ReadFile(path, O_DIRECT, [&](uint64_t offset, std::string_view bytes) {
    hashes.resize(offset / FileBlocks::kBlockBytes);  // the hole before
    for (size_t at = 0; at < bytes.size(); at += FileBlocks::kBlockBytes) {
      hashes.push_back(std::hash<std::string_view>()(bytes.substr(at, FileBlocks::kBlockBytes)));
    }
  });
  return hashes;
}

template <class Action>
void ForEachFile(const std::string& directory, Action&& action) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) action(entry.path().string());
  }
}

}  // namespace

FileBlocks FileBlocks::Read(const std::string& directory) {
  FileBlocks blocks;
  ForEachFile(directory, [&](const std::string& path) { blocks.hashes_[path] = HashFile(path); });
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

void ReadThroughPageCache(const std::string& directory) {
  ForEachFile(directory, [](const std::string& path) {
    ReadFile(path, 0, [](uint64_t, std::string_view) {});
  });
}

}  // namespace espalier::bench
