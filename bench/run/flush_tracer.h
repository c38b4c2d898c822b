// Counts the flushes that a process asks the kernel for, by strace.
#ifndef ESPALIER_BENCH_RUN_FLUSH_TRACER_H_
#define ESPALIER_BENCH_RUN_FLUSH_TRACER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::bench {

class FlushTracer {
 public:
  // Begins with all threads of the process `pid`; `trace_path` is where the trace goes.
  // kUnavailable, with the reason in words, where strace is not installed or may not trace.
  static absl::StatusOr<std::unique_ptr<FlushTracer>> Attach(pid_t pid, std::string trace_path);

  FlushTracer(const FlushTracer&) = delete;
  FlushTracer& operator=(const FlushTracer&) = delete;
  ~FlushTracer();

  // Ends and gives the number: fsync, fdatasync, msync, sync, syncfs, and writes that return once
  // the device has them, by their own flag or by that of their descriptor. The process must have
  // its descriptors still open.
  absl::StatusOr<uint64_t> Finish();

 private:
  FlushTracer(pid_t pid, pid_t strace_pid, std::string trace_path)
      : pid_(pid), strace_pid_(strace_pid), trace_path_(std::move(trace_path)) {}

  void Detach();

  pid_t pid_;
  pid_t strace_pid_;  // 0 once it has ended
  std::string trace_path_;
};

// In the text of a trace; `is_synchronous` says whether a descriptor was opened with O_DSYNC.
uint64_t CountFlushes(std::istream& trace, const std::function<bool(int fd)>& is_synchronous);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_FLUSH_TRACER_H_
