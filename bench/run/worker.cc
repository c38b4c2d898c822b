#include "bench/run/worker.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "bench/adapters/die.h"
#include "bench/run/interruption.h"

namespace espalier::bench {
namespace {

struct Request {
  char step[32];
  StepOptions options;
};

struct Reply {
  double figure;
};

void JoinControlGroup(const std::string& directory) {
  std::string path = directory + "/cgroup.procs";
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) Die("bench", path, std::strerror(errno));
  std::fprintf(file, "%d\n", static_cast<int>(getpid()));
  if (std::fclose(file) != 0) Die("bench", path, std::strerror(errno));
}

// The worker's life: one step after the other until the parent hangs up.
[[noreturn]] void Serve(const Worker::Setup& setup, int socket_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  IgnoreInterruption();  // ^C goes to the whole process group; the parent decides
  if (!setup.cgroup_directory.empty()) JoinControlGroup(setup.cgroup_directory);
  Workbench bench{.adapter = *setup.adapter,
                  .workload = *setup.workload,
                  .options = setup.options,
                  .database = {},
                  .inserted_count = 0};
  Request request;
  while (recv(socket_fd, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request)) {
    const Step* step = FindStep(request.step);
    if (step == nullptr) Die("bench", request.step, "no such step");
    Reply reply{step->run(bench, request.options)};
    if (send(socket_fd, &reply, sizeof reply, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof reply))
      break;
  }
  _exit(0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::Start(const Setup& setup) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return absl::UnavailableError(absl::StrCat("socketpair: ", std::strerror(errno)));
  }
  std::fflush(nullptr);
  pid_t pid = fork();
  if (pid < 0) {
    close(sockets[0]);
    close(sockets[1]);
    return absl::UnavailableError(absl::StrCat("fork: ", std::strerror(errno)));
  }
  if (pid == 0) {
    close(sockets[0]);
    Serve(setup, sockets[1]);
  }
  close(sockets[1]);
  return std::unique_ptr<Worker>(new Worker(pid, sockets[0]));
}

Worker::~Worker() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(socket_fd_);
}

absl::StatusOr<double> Worker::Do(std::string_view step, const StepOptions& options) {
  if (pid_ <= 0) return absl::AbortedError("the worker died before");
  Request request{};
  std::memcpy(request.step, step.data(), std::min(step.size(), sizeof request.step - 1));
  request.options = options;
  if (send(socket_fd_, &request, sizeof request, MSG_NOSIGNAL) !=
      static_cast<ssize_t>(sizeof request))
    return Reap();
  Reply reply;
  while (true) {
    if (WasInterrupted()) return absl::CancelledError("interrupted");
    ssize_t size = recv(socket_fd_, &reply, sizeof reply, 0);
    if (size == static_cast<ssize_t>(sizeof reply)) return reply.figure;
    if (size < 0 && errno == EINTR) continue;
    return Reap();
  }
}

absl::Status Worker::Reap() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = 0;
  if (WIFSIGNALED(status))
    return absl::AbortedError(absl::StrCat("died of ", strsignal(WTERMSIG(status))));
  return absl::AbortedError(absl::StrCat("exited with ", WEXITSTATUS(status), ", see its message"));
}

}  // namespace espalier::bench
