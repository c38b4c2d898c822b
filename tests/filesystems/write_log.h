// What qemu's blklogwrites recorded of a block device, in the format of Linux's dm-log-writes: a
// superblock, then the entries in the order in which the device took them. Each begins on a sector;
// all numbers are little-endian.
//
//   superblock  0 magic u64   8 version u64   16 entries u64   24 sector size u32
//   entry       0 sector u64  8 sectors u64   16 flags u64     24 data length u64
//               the next sector on: the bytes written, unless the flags say that it is a discard
#ifndef ESPALIER_TESTS_FILESYSTEMS_WRITE_LOG_H_
#define ESPALIER_TESTS_FILESYSTEMS_WRITE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace espalier::testing {

struct LogEntry {
  bool flush;            // what was written before is durable from here on
  uint64_t offset;       // of the bytes that change, on the device
  uint64_t length;       // 0 in a pure flush
  const uint8_t* bytes;  // null: discarded, so zeros
};

// Ends the program if the file is no such log.
class WriteLog {
 public:
  explicit WriteLog(const std::string& path);
  ~WriteLog();
  WriteLog(const WriteLog&) = delete;
  WriteLog& operator=(const WriteLog&) = delete;

  const std::vector<LogEntry>& entries() const { return entries_; }

  // How many entries the log has that is being written to `fd`: at least those of all requests that
  // the device has answered.
  static uint64_t EntriesSoFar(int fd);

 private:
  size_t size_bytes_ = 0;
  const uint8_t* data_ = nullptr;
  std::vector<LogEntry> entries_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FILESYSTEMS_WRITE_LOG_H_
