#include "bench/run/flush_tracer.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/run/command.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

constexpr const char* kFlushCalls = "fsync,fdatasync,msync,sync,syncfs";
constexpr const char* kWriteCalls = "write,writev,pwrite64,pwritev,pwritev2";
constexpr std::chrono::seconds kPatience(5);
constexpr std::chrono::milliseconds kInterval(5);

// The value of the line "NAME:\tvalue" of a file in /proc, as a number.
long FieldOf(const std::string& path, std::string_view name, int base) {
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(name)) return std::strtol(line.c_str() + name.size(), nullptr, base);
  }
  return 0;
}

bool IsTraced(pid_t pid) {
  std::error_code ignored;
  for (const auto& thread :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"), ignored)) {
    if (FieldOf(thread.path().string() + "/status", "TracerPid:", 10) == 0) return false;
  }
  return true;
}

bool IsSynchronous(pid_t pid, int fd) {
  const std::string path = absl::StrCat("/proc/", pid, "/fdinfo/", fd);
  return (FieldOf(path, "flags:", 8) & O_DSYNC) != 0;
}

}  // namespace

uint64_t CountFlushes(std::istream& trace, const std::function<bool(int fd)>& is_synchronous) {
  const std::string flush_calls = absl::StrCat(",", kFlushCalls, ",");
  const std::string write_calls = absl::StrCat(",", kWriteCalls, ",");
  uint64_t count = 0;
  // "1234 pwrite64(5, ...) = 4096"; of a call that another thread's interrupts, the first of the
  // two lines looks the same, and the second one ("<... pwrite64 resumed>") has no such name.
  for (std::string line; std::getline(trace, line);) {
    const size_t name = line.find_first_not_of(" 0123456789");
    const size_t parenthesis = line.find('(');
    if (name == std::string::npos || parenthesis == std::string::npos || name > parenthesis)
      continue;
    const std::string call = absl::StrCat(",", line.substr(name, parenthesis - name), ",");
    if (flush_calls.find(call) != std::string::npos) {
      // An msync without MS_SYNC only asks for a write some day.
      if (call != ",msync," || line.find("MS_SYNC") != std::string::npos) ++count;
    } else if (write_calls.find(call) != std::string::npos) {
      const int fd = std::atoi(line.c_str() + parenthesis + 1);
      if (line.find("SYNC)") != std::string::npos || is_synchronous(fd)) ++count;
    }
  }
  return count;
}

absl::StatusOr<std::unique_ptr<FlushTracer>> FlushTracer::Attach(pid_t pid,
                                                                 std::string trace_path) {
  ASSIGN_OR_RETURN(const pid_t strace_pid,
                   StartCommand({"strace", "-f", "-qq", "-s", "0", "-e",
                                 absl::StrCat("trace=", kFlushCalls, ",", kWriteCalls), "-o",
                                 trace_path, "-p", absl::StrCat(pid)}));
  std::unique_ptr<FlushTracer> tracer(new FlushTracer(pid, strace_pid, std::move(trace_path)));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!IsTraced(pid)) {
    if (waitpid(strace_pid, nullptr, WNOHANG) == strace_pid) {
      tracer->strace_pid_ = 0;
      return absl::UnavailableError("strace is not installed, or may not trace here");
    }
    if (std::chrono::steady_clock::now() > deadline)
      return absl::UnavailableError("strace does not get hold of the process");
    std::this_thread::sleep_for(kInterval);
  }
  return tracer;
}

FlushTracer::~FlushTracer() { Detach(); }

void FlushTracer::Detach() {
  if (strace_pid_ == 0) return;
  kill(strace_pid_, SIGINT);
  while (waitpid(strace_pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  strace_pid_ = 0;
}

absl::StatusOr<uint64_t> FlushTracer::Finish() {
  Detach();
  std::ifstream trace(trace_path_);
  if (!trace) return absl::UnavailableError("strace left no trace");
  return CountFlushes(trace, [this](int fd) { return IsSynchronous(pid_, fd); });
}

}  // namespace espalier::bench
