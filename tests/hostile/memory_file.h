// A file without a directory entry that lives in memory, for tests that damage a database file some
// thousand times: opened by its path like any other, flushed at no cost, gone with the object.
//
//   MemoryFile file;
//   file.SetContent(image);
//   Database::Open(file.path());

#ifndef ESPALIER_TESTS_HOSTILE_MEMORY_FILE_H_
#define ESPALIER_TESTS_HOSTILE_MEMORY_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace espalier::testing {

using Bytes = std::vector<uint8_t>;

// The bytes of the file at `path`; ends the program if it cannot be read.
Bytes ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::span<const uint8_t> bytes);

// Ends the program where the system refuses.
class MemoryFile {
 public:
  MemoryFile();
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // Leads to the file as long as this process has it.
  const std::string& path() const { return path_; }

  // Makes `bytes` all that the file contains.
  void SetContent(std::span<const uint8_t> bytes);
  Bytes Content() const;
  uint64_t size_bytes() const;
  void Resize(uint64_t size_bytes);
  void WriteAt(uint64_t offset, std::span<const uint8_t> bytes);
  void WriteByte(uint64_t offset, uint8_t byte) { WriteAt(offset, {&byte, 1}); }

 private:
  int fd_;
  std::string path_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_HOSTILE_MEMORY_FILE_H_
