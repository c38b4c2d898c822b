#include "tests/support/child_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace espalier::testing {
namespace {

// Far more than what kills itself takes.
constexpr std::chrono::microseconds kPatience = std::chrono::seconds(60);

class Child {
 public:
  Child(const std::function<std::string()>& function, Ending ending) {
    std::array<int, 2> pipe_ends{};
    if (pipe(pipe_ends.data()) != 0) return;
    std::fflush(nullptr);  // or the child prints it once more
    process_ = fork();
    if (process_ == 0) {
      close(pipe_ends[0]);
      Run(function, ending, pipe_ends[1]);
    }
    close(pipe_ends[1]);
    result_ = pipe_ends[0];
  }
  ~Child() {
    if (result_ >= 0) close(result_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Whether it had something to say, or came to its end, before that.
  bool EndsWithin(std::chrono::microseconds delay) const {
    pollfd waiting = {.fd = result_, .events = POLLIN, .revents = 0};
    const timespec timeout = {.tv_sec = delay.count() / 1000000,
                              .tv_nsec = delay.count() % 1000000 * 1000};
    return ppoll(&waiting, 1, &timeout, nullptr) > 0;
  }

  void Kill() const {
    if (process_ > 0) kill(process_, SIGKILL);
  }

  // What it returned, or how it came to its end; nothing if that was SIGKILL.
  std::optional<std::string> Await() const {
    if (process_ < 0) return "no pipe, or no fork";
    std::string result;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = read(result_, buffer.data(), buffer.size())) > 0;) {
      result.append(buffer.data(), static_cast<size_t>(got));
    }
    int status = 0;
    if (waitpid(process_, &status, 0) != process_) return "no child to wait for";
    if (WIFSIGNALED(status)) {
      if (WTERMSIG(status) == SIGKILL) return std::nullopt;
      return "killed by signal " + std::to_string(WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0) {
      return "exit code " + std::to_string(WEXITSTATUS(status)) + ": " + result;
    }
    return result;
  }

 private:
  [[noreturn]] static void Run(const std::function<std::string()>& function, Ending ending,
                               int pipe_end) {
    const std::string result = function();
    const ssize_t written = write(pipe_end, result.data(), result.size());
    close(pipe_end);
    const int code = written == static_cast<ssize_t>(result.size()) ? 0 : 1;
    if (ending == Ending::kExit) std::exit(code);
    _exit(code);
  }

  pid_t process_ = -1;
  int result_ = -1;
};

}  // namespace

std::string InChild(const std::function<std::string()>& function, Ending ending) {
  return Child(function, ending).Await().value_or("killed by signal 9");
}

std::optional<std::string> RunAndKill(const std::function<std::string()>& function,
                                      std::chrono::microseconds delay) {
  const Child child(function, Ending::kImmediate);
  if (!child.EndsWithin(delay)) child.Kill();
  return child.Await();
}

std::optional<std::string> RunUntilKilled(const std::function<std::string()>& function) {
  const Child child(function, Ending::kImmediate);
  if (child.EndsWithin(kPatience)) return child.Await();
  child.Kill();
  child.Await();
  return "it does not come to an end";
}

}  // namespace espalier::testing
