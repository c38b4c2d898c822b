// A process that runs the steps of one engine. An engine's crash, leak or leftover thread stays in
// its worker, and a worker can be put into a control group of its own.
//
// The parent must have one thread when it starts workers; it talks to each through a socket, one
// step at a time.
#ifndef ESPALIER_BENCH_RUN_WORKER_H_
#define ESPALIER_BENCH_RUN_WORKER_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bench/steps/workbench.h"

namespace espalier::bench {

class Worker {
 public:
  struct Setup {
    const Adapter* adapter;
    const Workload* workload;  // outlives the worker
    OpenOptions options;
    std::string cgroup_directory;  // the worker joins it before anything else, unless empty
  };

  // kUnavailable when the process cannot be made.
  static absl::StatusOr<std::unique_ptr<Worker>> Start(const Setup& setup);

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Kills the process (SIGKILL) if it still runs.
  ~Worker();

  pid_t pid() const { return pid_; }

  // Runs the step and gives its figure. kCancelled when a signal asked the bench to end meanwhile;
  // kAborted when the worker died, with how; it stays dead.
  absl::StatusOr<double> Do(std::string_view step, const StepOptions& options = {});

 private:
  Worker(pid_t pid, int socket_fd) : pid_(pid), socket_fd_(socket_fd) {}

  absl::Status Reap();

  pid_t pid_;
  int socket_fd_;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_WORKER_H_
