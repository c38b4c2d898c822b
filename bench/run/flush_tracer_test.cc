#include "bench/run/flush_tracer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <sstream>

#include "gtest/gtest.h"

namespace espalier::bench {
namespace {

constexpr int kSynchronousFd = 7;

uint64_t Count(const std::string& trace) {
  std::istringstream stream(trace);
  return CountFlushes(stream, [](int fd) { return fd == kSynchronousFd; });
}

TEST(FlushTracerTest, CallsThatFlushAreCounted) {
  EXPECT_EQ(Count("12 fdatasync(5) = 0\n12 fsync(5) = 0\n"
                  "13 msync(0x7f, 4096, MS_SYNC) = 0\n13 syncfs(4) = 0\n"),
            4u);
}

TEST(FlushTracerTest, WritesAreCountedThatWaitForTheDevice) {
  EXPECT_EQ(Count("12 pwrite64(7, \"\"..., 4096, 0) = 4096\n"), 1u);
  EXPECT_EQ(Count("12 pwritev2(5, [{iov_len=1}], 1, 0, RWF_DSYNC) = 1\n"), 1u);
  EXPECT_EQ(Count("12 pwrite64(5, \"\"..., 4096, 0) = 4096\n12 write(71, \"\"..., 9) = 9\n"), 0u);
}

TEST(FlushTracerTest, AnMsyncThatDoesNotWaitIsNoFlush) {
  EXPECT_EQ(Count("13 msync(0x7f, 4096, MS_ASYNC) = 0\n"), 0u);
}

TEST(FlushTracerTest, AnInterruptedCallIsCountedOnce) {
  EXPECT_EQ(Count("12 fdatasync(5 <unfinished ...>\n13 write(1, \"\"..., 1) = 1\n"
                  "12 <... fdatasync resumed>) = 0\n"),
            1u);
}

// Flushes once for each byte that it is sent, in both of the ways, and answers.
[[noreturn]] void FlushOnRequest(int in, int out, const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  const int synchronous_fd = open(path.c_str(), O_RDWR | O_DSYNC);
  for (char byte; read(in, &byte, 1) == 1;) {
    if (pwrite(fd, &byte, 1, 0) != 1 || fdatasync(fd) != 0) break;
    if (pwrite(synchronous_fd, &byte, 1, 0) != 1 || write(out, &byte, 1) != 1) break;
  }
  _exit(0);
}

TEST(FlushTracerTest, AProcessIsTraced) {
  int to[2];
  int from[2];
  ASSERT_EQ(pipe(to) | pipe(from), 0);
  const std::string path = testing::TempDir() + "flush_tracer_test";
  const pid_t pid = fork();
  if (pid == 0) {
    close(to[1]);
    FlushOnRequest(to[0], from[1], path);
  }
  absl::StatusOr<std::unique_ptr<FlushTracer>> tracer = FlushTracer::Attach(pid, path + ".trace");
  if (tracer.ok()) {
    char byte = 'x';
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(write(to[1], &byte, 1), 1);
      EXPECT_EQ(read(from[0], &byte, 1), 1);
    }
    const absl::StatusOr<uint64_t> flushes = (*tracer)->Finish();
    EXPECT_EQ(flushes.value_or(0), 6u) << flushes.status();
  }
  close(to[1]);
  waitpid(pid, nullptr, 0);
  if (!tracer.ok()) GTEST_SKIP() << tracer.status();
}

}  // namespace
}  // namespace espalier::bench
