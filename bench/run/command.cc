#include "bench/run/command.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

constexpr int kExitCannotStart = 127;

[[noreturn]] void Execute(std::vector<char*>& argv) {
  int null_fd = open("/dev/null", O_RDWR);
  dup2(null_fd, STDIN_FILENO);
  dup2(null_fd, STDOUT_FILENO);
  dup2(null_fd, STDERR_FILENO);
  const char* path = std::getenv("PATH");
  std::string extended = std::string(path != nullptr ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin";
  setenv("PATH", extended.c_str(), 1);
  execvp(argv[0], argv.data());
  _exit(kExitCannotStart);
}

}  // namespace

absl::StatusOr<pid_t> StartCommand(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = fork();
  if (pid < 0) return absl::UnavailableError(absl::StrCat("fork: ", std::strerror(errno)));
  if (pid == 0) Execute(argv);
  return pid;
}

absl::Status RunCommand(const std::vector<std::string>& arguments) {
  ASSIGN_OR_RETURN(const pid_t pid, StartCommand(arguments));
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitCannotStart) {
    return absl::UnavailableError(absl::StrCat(arguments[0], ": no such program"));
  }
  return absl::UnavailableError(absl::StrCat(arguments[0], " failed"));
}

}  // namespace espalier::bench
