// Reads a file through the page cache or past it.
//
// After a flush that failed, the page cache holds bytes that never reached the device, and calls
// them clean: a later flush succeeds without writing them. Whoever is about to build on what he
// finds in a file asks the device.
#ifndef ESPALIER_ENGINE_OS_FILE_READER_H_
#define ESPALIER_ENGINE_OS_FILE_READER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "engine/os/file.h"

namespace espalier::os {

enum class ReadFrom {
  kCache,
  // What the page cache has of it that is dirty is written first, by the kernel. On a file system
  // that cannot read past the cache: as kCache.
  kDevice,
};

// One thread. Meant for reading forwards, in pieces of any size.
class FileReader {
 public:
  // `file` must outlive it, and be open for writing for kDevice.
  FileReader(const File* file, ReadFrom from);

  // Reads until `buffer` is full or the file ends; returns the number of bytes read.
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<uint8_t> buffer);

 private:
  struct FreeMemory {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };

  absl::Status FillWindow(uint64_t offset);

  const File* file_;
  std::optional<File> direct_;
  // What was read last past the cache.
  std::unique_ptr<uint8_t, FreeMemory> window_;
  uint64_t window_begin_ = 0;
  size_t window_bytes_ = 0;
};

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_FILE_READER_H_
