// Clears up after a bench that was killed: a small process that waits for the bench and all its
// workers to be gone. (Mounts and loop devices need no help, see loop_device.h.)
#ifndef ESPALIER_BENCH_RUN_JANITOR_H_
#define ESPALIER_BENCH_RUN_JANITOR_H_

#include <sys/types.h>

#include <memory>
#include <string>

namespace espalier::bench {

class Janitor {
 public:
  // Guards the directory at `path`; without a janitor (no process can be made) the next bench in
  // the same place removes it.
  explicit Janitor(const std::string& path);

  Janitor(const Janitor&) = delete;
  Janitor& operator=(const Janitor&) = delete;

  // Sends the janitor home: there is nothing left to clear up.
  ~Janitor();

 private:
  pid_t pid_ = -1;
  int pipe_fd_ = -1;  // also in every worker: it closes when the last of them is gone
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_JANITOR_H_
