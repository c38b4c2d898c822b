#include "tests/processes/child_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace espalier::testing {

std::string InChild(const std::function<std::string()>& function, Ending ending) {
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()) != 0) return "no pipe";
  std::fflush(nullptr);  // or the child prints it once more
  const pid_t child = fork();
  if (child < 0) return "no fork";
  if (child == 0) {
    close(pipe_ends[0]);
    const std::string result = function();
    const ssize_t written = write(pipe_ends[1], result.data(), result.size());
    close(pipe_ends[1]);
    const int code = written == static_cast<ssize_t>(result.size()) ? 0 : 1;
    if (ending == Ending::kExit) std::exit(code);
    _exit(code);
  }
  close(pipe_ends[1]);
  std::string result;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(pipe_ends[0], buffer.data(), buffer.size())) > 0;) {
    result.append(buffer.data(), static_cast<size_t>(got));
  }
  close(pipe_ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child) return "no child to wait for";
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) {
    return "exit code " + std::to_string(WEXITSTATUS(status)) + ": " + result;
  }
  return result;
}

}  // namespace espalier::testing
