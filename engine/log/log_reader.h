// Reads a log's records from a known place to the end of the log: to the first place where no
// record continues the chain.
#ifndef ESPALIER_ENGINE_LOG_LOG_READER_H_
#define ESPALIER_ENGINE_LOG_LOG_READER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/types.h"
#include "engine/log/format.h"
#include "engine/os/file.h"
#include "engine/os/file_reader.h"

namespace espalier::log {

// The header of the log, or nothing if the file does not begin with one.
absl::StatusOr<std::optional<Header>> ReadHeader(const os::File& file);

// One thread. Any bytes in the file are safe to read. The file must outlive it.
class LogReader {
 public:
  LogReader(const os::File* file, uint64_t ring_bytes, const LogPlace& start,
            os::ReadFrom from = os::ReadFrom::kCache);

  struct Record {
    LogPosition position;
    RecordKind kind;
    Version version;
    std::span<const uint8_t> payload;  // until the next call
  };

  // Nothing at the end of the log. An error only where the file cannot be read: that is not the
  // end.
  absl::StatusOr<std::optional<Record>> Next();

  // Behind the last record that Next() gave.
  const LogPlace& place() const { return place_; }

 private:
  absl::StatusOr<std::optional<Record>> ReadAt(LogPosition position,
                                               std::optional<RecordKind> only_kind);
  // `length` bytes of the stream, or fewer where the file ends. Valid until the next call.
  absl::StatusOr<std::span<const uint8_t>> Fetch(uint64_t position, uint64_t length);
  absl::StatusOr<uint64_t> Read(uint64_t position, std::span<uint8_t> buffer);

  const os::File* const file_;
  os::FileReader reader_;
  const uint64_t ring_bytes_;
  // No record can end behind this: the file has no more, or it would overwrite the first. Known
  // from the first access on.
  uint64_t limit_ = 0;
  bool limited_ = false;
  LogPlace place_;
  std::vector<uint8_t> buffer_;
  uint64_t buffer_position_ = 0;
};

}  // namespace espalier::log

#endif  // ESPALIER_ENGINE_LOG_LOG_READER_H_
