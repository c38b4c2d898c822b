#include "engine/base/fork_guard.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace espalier {
namespace {

// Runs `in_child` in a fork child; true if it returned true there.
bool TrueInForkChild(const std::function<bool()>& in_child) {
  const pid_t child = fork();
  if (child == 0) _exit(in_child() ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ForkGenerationTest, ChangesInTheChildOnly) {
  const uint32_t before = ForkGeneration();
  EXPECT_TRUE(TrueInForkChild([before] {
    return ForkGeneration() != before &&
           TrueInForkChild([child = ForkGeneration()] { return ForkGeneration() != child; });
  }));
  EXPECT_EQ(ForkGeneration(), before);
}

TEST(ForkHookTest, RunsInTheChildWhileItLives) {
  std::atomic<int> calls{0};
  std::optional<ForkHook> hook(std::in_place, std::function<void()>([&calls] { ++calls; }));
  EXPECT_TRUE(TrueInForkChild([&calls] { return calls == 1; }));
  EXPECT_EQ(calls, 0);
  hook.reset();
  EXPECT_TRUE(TrueInForkChild([&calls] { return calls == 0; }));
}

TEST(ForkHookTest, SeesTheNewGeneration) {
  const uint32_t before = ForkGeneration();
  uint32_t seen = before;
  const ForkHook hook(std::function<void()>([&seen] { seen = ForkGeneration(); }));
  EXPECT_TRUE(TrueInForkChild([&seen, before] { return seen == before + 1; }));
}

TEST(ForkHookTest, CallsAllPartsNewestFirstThenOldestFirst) {
  std::string calls;
  const auto callbacks = [&calls](const std::string& name) {
    return ForkCallbacks{
        .prepare = [&calls, name] { calls += "prepare" + name + " "; },
        .parent = [&calls, name] { calls += "parent" + name + " "; },
        .child = [&calls, name] { calls += "child" + name + " "; },
    };
  };
  const ForkHook first(callbacks("1"));
  std::optional<ForkHook> gone(std::in_place, callbacks("2"));
  const ForkHook last(callbacks("3"));
  gone.reset();
  EXPECT_TRUE(TrueInForkChild([&calls] { return calls == "prepare3 prepare1 child1 child3 "; }));
  EXPECT_EQ(calls, "prepare3 prepare1 parent1 parent3 ");
}

TEST(ForkHookTest, HooksComeAndGoWhileAnotherThreadForks) {
  std::atomic<bool> stop{false};
  std::thread registrar([&stop] {
    while (!stop) {
      // Whole or not at all: prepare has run wherever the child part runs.
      int prepared = 0;
      const ForkHook hook(ForkCallbacks{
          .prepare = [&prepared] { ++prepared; },
          .parent = [&prepared] { --prepared; },
          .child =
              [&prepared] {
                if (prepared != 1) _exit(2);
              },
      });
    }
  });
  for (int i = 0; i < 50; ++i) {
    // In the child the registry is free to be used.
    EXPECT_TRUE(TrueInForkChild([] {
      const ForkHook hook(std::function<void()>([] {}));
      return true;
    }));
  }
  stop = true;
  registrar.join();
}

}  // namespace
}  // namespace espalier
