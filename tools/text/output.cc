#include "tools/text/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace espalier::tools {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 16;

}  // namespace

ByteSink DescriptorSink(int fd, std::string name) {
  return [fd, name = std::move(name)](std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = write(fd, bytes.data(), bytes.size());
      if (count >= 0) {
        bytes.remove_prefix(static_cast<size_t>(count));
      } else if (errno == EPIPE) {
        return absl::CancelledError(name + ": nobody reads it any longer");
      } else if (errno != EINTR) {
        return absl::UnavailableError(name + ": write: " + std::strerror(errno));
      }
    }
    return absl::OkStatus();
  };
}

Output::Output(ByteSink sink) : sink_(std::move(sink)) { buffer_.reserve(kBufferBytes); }

void Output::Write(std::string_view bytes) {
  if (!status_.ok()) return;
  if (buffer_.size() + bytes.size() > kBufferBytes && !Flush().ok()) return;
  if (bytes.size() > kBufferBytes) {
    status_ = sink_(bytes);
  } else {
    buffer_ += bytes;
  }
}

absl::Status Output::Flush() {
  if (status_.ok() && !buffer_.empty()) {
    status_ = sink_(buffer_);
    buffer_.clear();
  }
  return status_;
}

}  // namespace espalier::tools
