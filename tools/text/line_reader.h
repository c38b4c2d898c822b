// Reads a stream line by line, however long the lines are.
#ifndef ESPALIER_TOOLS_TEXT_LINE_READER_H_
#define ESPALIER_TOOLS_TEXT_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace espalier::tools {

// Fills at most `size` bytes at `buffer` and returns their number; 0 at the end of the stream.
using ByteSource = std::function<absl::StatusOr<size_t>(char* buffer, size_t size)>;

// Reads from an open descriptor, which stays the caller's. `name` is for messages.
ByteSource DescriptorSource(int fd, std::string name);

class LineReader {
 public:
  explicit LineReader(ByteSource source);

  // The next line without its newline, valid until the next call; absent at the end. A last line
  // without a newline counts. The source's own errors.
  absl::StatusOr<std::optional<std::string_view>> Next();

  uint64_t line_number() const { return line_number_; }  // of the line last returned, from 1
  uint64_t bytes_read() const { return bytes_read_; }    // up to the end of that line

 private:
  ByteSource source_;
  std::string buffer_;
  size_t begin_ = 0;  // of what was not returned yet
  size_t end_ = 0;    // of what was filled
  bool source_ended_ = false;
  uint64_t line_number_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TEXT_LINE_READER_H_
