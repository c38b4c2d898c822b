#include "engine/base/mutex.h"

#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace espalier {
namespace {

struct Counter {
  Mutex mutex;
  CondVar changed;
  int value ABSL_GUARDED_BY(mutex) = 0;
};

TEST(MutexTest, ExcludesOtherThreads) {
  Counter counter;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&counter] {
      for (int j = 0; j < 1000; ++j) {
        MutexLock lock(&counter.mutex);
        ++counter.value;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(&counter.mutex);
  EXPECT_EQ(counter.value, 4000);
}

TEST(MutexTest, TryLockFailsWhileAnotherThreadHoldsIt) {
  Mutex mutex;
  MutexLock lock(&mutex);
  bool refused = false;
  std::thread([&mutex, &refused] {
    if (mutex.TryLock()) {
      mutex.Unlock();
    } else {
      refused = true;
    }
  }).join();
  EXPECT_TRUE(refused);
}

TEST(CondVarTest, WaitSeesWhatTheNotifierDid) {
  Counter counter;
  std::thread notifier([&counter] {
    for (int i = 0; i < 100; ++i) {
      MutexLock lock(&counter.mutex);
      ++counter.value;
      counter.changed.NotifyAll();
    }
  });
  {
    MutexLock lock(&counter.mutex);
    while (counter.value < 100) counter.changed.Wait(&counter.mutex);
    EXPECT_EQ(counter.value, 100);
  }
  notifier.join();
}

TEST(CondVarTest, WaitUntilEndsAtItsDeadlineWithTheMutexHeld) {
  Counter counter;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  MutexLock lock(&counter.mutex);
  while (counter.changed.WaitUntil(&counter.mutex, deadline)) {
  }
  EXPECT_GE(std::chrono::steady_clock::now(), deadline);
  counter.value = 1;
}

}  // namespace
}  // namespace espalier
