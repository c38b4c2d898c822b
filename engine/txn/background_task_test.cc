#include "engine/txn/background_task.h"

#include <atomic>
#include <csignal>
#include <optional>
#include <thread>

#include "engine/base/mutex.h"
#include "gtest/gtest.h"

namespace espalier::txn {
namespace {

// Counts its runs, each of which waits until it may end.
class CountedTask {
 public:
  BackgroundTask& task() { return task_; }

  void AwaitRuns(int runs) {
    MutexLock lock(&mutex_);
    while (begun_ < runs) changed_.Wait(&mutex_);
  }
  void LetRun(int runs) {
    MutexLock lock(&mutex_);
    allowed_ += runs;
    changed_.NotifyAll();
  }
  int runs() {
    MutexLock lock(&mutex_);
    return begun_;
  }

 private:
  void Run() {
    MutexLock lock(&mutex_);
    ++begun_;
    changed_.NotifyAll();
    while (allowed_ == 0) changed_.Wait(&mutex_);
    --allowed_;
  }

  Mutex mutex_;
  CondVar changed_;
  int begun_ ABSL_GUARDED_BY(mutex_) = 0;
  int allowed_ ABSL_GUARDED_BY(mutex_) = 0;
  BackgroundTask task_{[this] { Run(); }};
};

TEST(BackgroundTaskTest, RunsWhenAsked) {
  CountedTask counted;
  EXPECT_EQ(counted.runs(), 0);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(counted.task().Request());
    counted.AwaitRuns(i);
    counted.LetRun(1);
  }
  counted.task().Stop();
  EXPECT_EQ(counted.runs(), 3);
}

TEST(BackgroundTaskTest, RequestsDuringARunMakeOneMore) {
  CountedTask counted;
  EXPECT_TRUE(counted.task().Request());
  counted.AwaitRuns(1);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(counted.task().Request());
  counted.LetRun(2);
  counted.AwaitRuns(2);
  counted.task().Stop();
  EXPECT_EQ(counted.runs(), 2);
}

TEST(BackgroundTaskTest, StopWaitsForTheRunAndALaterRequestBeginsAnew) {
  CountedTask counted;
  EXPECT_TRUE(counted.task().Request());
  counted.AwaitRuns(1);
  std::atomic<bool> stopped = false;
  std::thread stopping([&] {
    counted.task().Stop();
    stopped = true;
  });
  EXPECT_FALSE(stopped);
  counted.LetRun(1);
  stopping.join();
  EXPECT_TRUE(counted.task().Request());
  counted.AwaitRuns(2);
  counted.LetRun(1);
  counted.task().Stop();
  counted.task().Stop();
}

// A handle that goes must not have a thread started behind its back, by a last transaction that
// asks for a checkpoint.
TEST(BackgroundTaskTest, ARetiredTaskNeverRunsAgain) {
  CountedTask counted;
  counted.LetRun(2);
  EXPECT_TRUE(counted.task().Request());
  counted.AwaitRuns(1);
  counted.task().Retire();
  EXPECT_TRUE(counted.task().Request());
  counted.task().Stop();
  EXPECT_EQ(counted.runs(), 1);
}

TEST(BackgroundTaskTest, ATaskThatNeverRanRetires) {
  CountedTask counted;
  counted.task().Retire();
  EXPECT_TRUE(counted.task().Request());
  EXPECT_EQ(counted.runs(), 0);
}

// The program's signals are for its own threads, but for those that a thread raises itself.
TEST(BackgroundTaskTest, ItsThreadTakesNoSignalsOfTheProgram) {
  std::optional<sigset_t> seen;
  BackgroundTask task([&] { pthread_sigmask(SIG_SETMASK, nullptr, &seen.emplace()); });
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  // Stop() drops a request that was not begun.
  while (!seen.has_value()) {
    EXPECT_TRUE(task.Request());
    task.Stop();
  }
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&*seen, SIGINT), 1);
  EXPECT_EQ(sigismember(&*seen, SIGALRM), 1);
  EXPECT_EQ(sigismember(&*seen, SIGBUS), 0);
  EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
}

}  // namespace
}  // namespace espalier::txn
