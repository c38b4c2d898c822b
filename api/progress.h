// How long-running operations report progress and are cancelled.
#ifndef ESPALIER_API_PROGRESS_H_
#define ESPALIER_API_PROGRESS_H_

#include <cstdint>
#include <functional>

namespace espalier {

// Both in the operation's own unit: pages for Verify, bytes of the log for recovery, otherwise
// entries.
struct Progress {
  uint64_t done = 0;
  uint64_t total = 0;
};

// Called from time to time on the calling thread; returning false cancels with kCancelled.
using ProgressCallback = std::function<bool(const Progress&)>;

}  // namespace espalier

#endif  // ESPALIER_API_PROGRESS_H_
