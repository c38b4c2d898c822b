// Buffered output to a descriptor, usually standard output, whose reader may go away.
#ifndef ESPALIER_TOOLS_TEXT_OUTPUT_H_
#define ESPALIER_TOOLS_TEXT_OUTPUT_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace espalier::tools {

// Takes all of the bytes or says why not.
using ByteSink = std::function<absl::Status(std::string_view bytes)>;

// Writes to an open descriptor, which stays the caller's. kCancelled when nobody reads the pipe any
// longer (SIGPIPE must be ignored); kUnavailable with `name` and errno's text for anything else.
ByteSink DescriptorSink(int fd, std::string name);

// The first error stays: everything after it is dropped. Nothing is written unless Flush() is
// called or the buffer is full, so a caller that skips the last Flush() loses output.
class Output {
 public:
  explicit Output(ByteSink sink);

  void Write(std::string_view bytes);
  absl::Status Flush();

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

 private:
  ByteSink sink_;
  std::string buffer_;
  absl::Status status_;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TEXT_OUTPUT_H_
