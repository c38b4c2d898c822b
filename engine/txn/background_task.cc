#include "engine/txn/background_task.h"

#include <csignal>
#include <exception>
#include <utility>

namespace espalier::txn {
namespace {

// The program's signals are for its own threads. Those that the thread itself may raise stay.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
      sigdelset(&blocked, own);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

bool BackgroundTask::Request() {
  MutexLock lock(&mutex_);
  if (stopping_ || retired_) return true;
  if (thread_.joinable()) {
    requested_ = true;
    changed_.NotifyAll();
    return true;
  }
  const BlockedSignals blocked;  // the new thread inherits this
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::exception&) {  // no thread, or no memory for one
    return false;
  }
  requested_ = true;
  return true;
}

void BackgroundTask::Run() {
  mutex_.Lock();
  while (true) {
    while (!requested_ && !stopping_) changed_.Wait(&mutex_);
    if (stopping_) break;
    requested_ = false;
    mutex_.Unlock();
    function_();
    mutex_.Lock();
  }
  mutex_.Unlock();
}

void BackgroundTask::Retire() {
  {
    MutexLock lock(&mutex_);
    retired_ = true;
  }
  Stop();
}

void BackgroundTask::Stop() {
  std::thread thread;
  {
    MutexLock lock(&mutex_);
    if (!thread_.joinable()) return;
    stopping_ = true;
    changed_.NotifyAll();
    thread = std::move(thread_);
  }
  thread.join();
  MutexLock lock(&mutex_);
  requested_ = false;
  stopping_ = false;
}

}  // namespace espalier::txn
