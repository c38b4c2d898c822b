// The program as a whole, from the command line: every kind of row gives figures, and however it
// ends it leaves nothing behind.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/report/output.h"
#include "bench/run/memory_cgroup.h"
#include "gtest/gtest.h"

namespace espalier::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience(30);
constexpr int kExitInterrupted = 130;

bool WaitFor(const std::function<bool()>& condition) {
  auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

// Of those that Bazel sets for a test.
std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

class BenchTest : public testing::Test {
 protected:
  BenchTest() {
    fs::remove_all(directory_);
    fs::create_directory(directory_);
  }

  ~BenchTest() override { fs::remove_all(directory_); }

  pid_t Start(std::vector<std::string> arguments) {
    std::string binary =
        Environment("TEST_SRCDIR") + "/" + Environment("TEST_WORKSPACE") + "/bench/bench";
    arguments.insert(arguments.begin(), binary);
    if (std::find(arguments.begin(), arguments.end(), "--dir") == arguments.end())
      arguments.insert(arguments.end(), {"--dir", directory_});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_t pid = fork();
    if (pid == 0) {
      execv(argv[0], argv.data());
      _exit(127);
    }
    return pid;
  }

  // The images that loop devices hold in the scratch directory, wherever they are mounted.
  std::vector<std::string> LoopImages() const {
    std::vector<std::string> images;
    for (const auto& device : fs::directory_iterator("/sys/block")) {
      std::ifstream stream(device.path() / "loop/backing_file");
      std::string image;
      if (std::getline(stream, image) && image.starts_with(directory_)) images.push_back(image);
    }
    return images;
  }

  // Starts the rows on loop devices and waits until the first of them is mounted.
  pid_t StartOnLoopDevice() {
    pid_t pid = Start({"--engines", "espalier", "--rows", "device-*", "--repetitions", "100",
                       "--markdown", "/dev/null"});
    EXPECT_TRUE(WaitFor([&] { return !LoopImages().empty(); }));
    return pid;
  }

  void ExpectNothingLeft() {
    EXPECT_TRUE(WaitFor([&] { return fs::is_empty(directory_); }));
    EXPECT_TRUE(WaitFor([&] { return LoopImages().empty(); })) << LoopImages().front();
  }

  const std::string directory_ = testing::TempDir() + "bench_test";
};

int WaitForEnd(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

// Without the rows whose work has a fixed size.
TEST_F(BenchTest, RowsOnTheLoadedDatabaseGiveFiguresForEveryEngine) {
  std::string json = testing::TempDir() + "bench_test.json";
  int status = WaitForEnd(Start({"--records", "2000", "--repetitions", "1", "--seconds", "0.01",
                                 "--write-seconds", "0.01", "--warmup", "0", "--rows",
                                 "get-*,multiget-*,scan-*,append,put-*,ycsb-*,size-*,larger-*",
                                 "--json", json, "--markdown", "/dev/null"}));
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  absl::StatusOr<Results> results = ReadResults(json);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_GE(results->engines.size(), 7u);
  for (const RowResult& row : results->rows) {
    if (row.name.starts_with("larger-")) {
      EXPECT_NE(row.not_run, "") << "with so little data";
      continue;
    }
    for (const EngineInfo& engine : results->engines) {
      EXPECT_GT(row.Median(engine.name).value_or(0), 0) << row.name << " " << engine.name;
    }
  }
  ExpectNothingLeft();
}

// The rows of recovery have databases of a fixed size and are left out.
TEST_F(BenchTest, DurableRowsGiveFiguresForEveryEngineAndTheDevice) {
  const std::string json = testing::TempDir() + "bench_test_durable.json";
  const int status = WaitForEnd(
      Start({"--records", "2000", "--repetitions", "1", "--seconds", "0.01", "--write-seconds",
             "0.05", "--warmup", "0", "--rows", "flush-*,durable-put-*,durable-bytes", "--json",
             json, "--markdown", "/dev/null"}));
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  const absl::StatusOr<Results> results = ReadResults(json);
  ASSERT_TRUE(results.ok()) << results.status();
  for (const RowResult& row : results->rows) {
    if (!row.not_run.empty()) continue;  // no real disk here
    EXPECT_TRUE(row.is_durable) << row.name;
    if (row.name.starts_with("flush-") || row.name == "durable-put-1") {
      EXPECT_GT(row.Median(std::string(kDeviceName)).value_or(0), 0) << row.name;
    }
    if (!row.name.starts_with("durable-put-")) continue;
    for (const EngineInfo& engine : results->engines) {
      if (engine.name == kDeviceName) continue;
      EXPECT_GT(row.Median(engine.name).value_or(0), 0) << row.name << " " << engine.name;
    }
  }
  ExpectNothingLeft();
}

// Two engines whose number is known: one writes its log, the other its data and then its meta page.
TEST_F(BenchTest, TheFlushesOfACommitAreCounted) {
  const std::string json = testing::TempDir() + "bench_test_flushes.json";
  const int status =
      WaitForEnd(Start({"--records", "2000", "--repetitions", "1", "--engines", "espalier,lmdb",
                        "--rows", "durable-flushes", "--json", json, "--markdown", "/dev/null"}));
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  const absl::StatusOr<Results> results = ReadResults(json);
  ASSERT_TRUE(results.ok()) << results.status();
  const RowResult& row = results->rows.front();
  if (!row.not_run.empty()) GTEST_SKIP() << row.not_run;
  EXPECT_NEAR(row.Median("espalier").value_or(0), 1, 0.01);
  EXPECT_NEAR(row.Median("lmdb").value_or(0), 2, 0.01);
}

TEST_F(BenchTest, DurableRowsAreNotRunInMemory) {
  const std::string in_memory = "/dev/shm/bench_test";
  fs::create_directory(in_memory);
  const std::string json = testing::TempDir() + "bench_test_tmpfs.json";
  const int status =
      WaitForEnd(Start({"--dir", in_memory, "--records", "2000", "--repetitions", "1", "--durable",
                        "--json", json, "--markdown", "/dev/null"}));
  fs::remove_all(in_memory);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
  const absl::StatusOr<Results> results = ReadResults(json);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_FALSE(results->rows.empty());
  for (const RowResult& row : results->rows) {
    EXPECT_NE(row.not_run.find("tmpfs"), std::string::npos) << row.name;
  }
}

TEST_F(BenchTest, ASignalEndsItWithNothingLeft) {
  if (geteuid() != 0) GTEST_SKIP() << "mounts need root";
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    pid_t pid = StartOnLoopDevice();
    kill(pid, signal);
    int status = WaitForEnd(pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == kExitInterrupted) << status;
    ExpectNothingLeft();
  }
}

TEST_F(BenchTest, AKilledOneLeavesNothingEither) {
  if (geteuid() != 0) GTEST_SKIP() << "mounts need root";
  pid_t pid = StartOnLoopDevice();
  kill(pid, SIGKILL);
  WaitForEnd(pid);
  ExpectNothingLeft();
}

TEST(MemoryCgroupTest, AGroupWhoseMakerIsGoneIsRemoved) {
  absl::StatusOr<std::unique_ptr<MemoryCgroup>> own = MemoryCgroup::Create(64 << 20);
  if (!own.ok()) GTEST_SKIP() << own.status();
  pid_t pid = fork();
  if (pid == 0) {
    absl::StatusOr<std::unique_ptr<MemoryCgroup>> group = MemoryCgroup::Create(64 << 20);
    _exit(group.ok() && fs::exists((*group)->directory()) ? 0 : 1);  // without destructors
  }
  EXPECT_EQ(WaitForEnd(pid), 0);
  std::string abandoned =
      absl::StrCat(fs::path((*own)->directory()).parent_path().string(), "/espalier-bench-", pid);
  // It may have gone already: a janitor of the test before looks for such groups, too.
  MemoryCgroup::RemoveAbandoned();
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_TRUE(fs::exists((*own)->directory()));
}

}  // namespace
}  // namespace espalier::bench
