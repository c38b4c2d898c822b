#include "bench/run/janitor.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "bench/run/interruption.h"
#include "bench/run/memory_cgroup.h"

namespace espalier::bench {
namespace {

constexpr char kGoHome = 'h';

[[noreturn]] void WaitAndClear(int pipe_fd, const std::string& path) {
  setsid();  // what is sent to the bench's process group is not for this one
  IgnoreInterruption();
  dup2(pipe_fd, STDIN_FILENO);
  close_range(STDIN_FILENO + 1, ~0u, 0);
  char order = 0;
  ssize_t size;
  while ((size = read(STDIN_FILENO, &order, 1)) < 0 && errno == EINTR) {
  }
  if (size == 0) {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
    MemoryCgroup::RemoveAbandoned();
  }
  _exit(0);
}

}  // namespace

Janitor::Janitor(const std::string& path) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    close(fds[1]);
    WaitAndClear(fds[0], path);
  }
  close(fds[0]);
  pipe_fd_ = fds[1];
}

Janitor::~Janitor() {
  if (pid_ > 0 && write(pipe_fd_, &kGoHome, 1) == 1) waitpid(pid_, nullptr, 0);
  if (pipe_fd_ >= 0) close(pipe_fd_);
}

}  // namespace espalier::bench
