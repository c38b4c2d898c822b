#include "tools/text/line_reader.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"

namespace espalier::tools {
namespace {

constexpr size_t kInitialBufferBytes = size_t{1} << 18;

}  // namespace

ByteSource DescriptorSource(int fd, std::string name) {
  return [fd, name = std::move(name)](char* buffer, size_t size) -> absl::StatusOr<size_t> {
    ssize_t count = 0;
    do {
      count = read(fd, buffer, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) return absl::UnavailableError(name + ": read: " + std::strerror(errno));
    return static_cast<size_t>(count);
  };
}

LineReader::LineReader(ByteSource source)
    : source_(std::move(source)), buffer_(kInitialBufferBytes, '\0') {}

absl::StatusOr<std::optional<std::string_view>> LineReader::Next() {
  size_t searched = begin_;
  while (true) {
    const void* newline = std::memchr(buffer_.data() + searched, '\n', end_ - searched);
    if (newline != nullptr || (source_ended_ && begin_ < end_)) {
      const size_t line_end =
          newline == nullptr
              ? end_
              : static_cast<size_t>(static_cast<const char*>(newline) - buffer_.data());
      const std::string_view line(buffer_.data() + begin_, line_end - begin_);
      const size_t next = newline == nullptr ? line_end : line_end + 1;
      bytes_read_ += next - begin_;
      begin_ = next;
      ++line_number_;
      return line;
    }
    if (source_ended_) return std::nullopt;
    searched = end_ - begin_;
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    absl::StatusOr<size_t> count = source_(buffer_.data() + end_, buffer_.size() - end_);
    if (!count.ok()) return count.status();
    source_ended_ = *count == 0;
    end_ += *count;
  }
}

}  // namespace espalier::tools
