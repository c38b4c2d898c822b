#include "tests/kill/killed_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace espalier::testing {
namespace {

// Far more than any of these takes.
constexpr std::chrono::microseconds kPatience = std::chrono::seconds(60);

// True once the pipe has something or was closed, false after `delay`.
bool WaitFor(int fd, std::chrono::microseconds delay) {
  pollfd waiting = {.fd = fd, .events = POLLIN, .revents = 0};
  const timespec timeout = {.tv_sec = delay.count() / 1000000,
                            .tv_nsec = delay.count() % 1000000 * 1000};
  return ppoll(&waiting, 1, &timeout, nullptr) > 0;
}

std::optional<std::string> Run(const std::function<std::string()>& function,
                               std::chrono::microseconds delay, bool late_is_wrong) {
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()) != 0) return "no pipe";
  std::fflush(nullptr);  // or the child prints it once more
  const pid_t child = fork();
  if (child < 0) return "no fork";
  if (child == 0) {
    close(pipe_ends[0]);
    const std::string result = function();
    const ssize_t written = write(pipe_ends[1], result.data(), result.size());
    _exit(written == static_cast<ssize_t>(result.size()) ? 0 : 1);
  }
  close(pipe_ends[1]);
  const bool late = !WaitFor(pipe_ends[0], delay);
  if (late) kill(child, SIGKILL);
  std::string result;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(pipe_ends[0], buffer.data(), buffer.size())) > 0;) {
    result.append(buffer.data(), static_cast<size_t>(got));
  }
  close(pipe_ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child) return "no child to wait for";
  if (late && late_is_wrong) return "it does not come to an end";
  if (WIFSIGNALED(status)) {
    if (WTERMSIG(status) == SIGKILL) return std::nullopt;
    return "killed by signal " + std::to_string(WTERMSIG(status));
  }
  if (WEXITSTATUS(status) != 0) return "exit code " + std::to_string(WEXITSTATUS(status));
  return result;
}

}  // namespace

std::optional<std::string> RunAndKill(const std::function<std::string()>& function,
                                      std::chrono::microseconds delay) {
  return Run(function, delay, /*late_is_wrong=*/false);
}

std::optional<std::string> RunUntilKilled(const std::function<std::string()>& function) {
  return Run(function, kPatience, /*late_is_wrong=*/true);
}

}  // namespace espalier::testing
