// A function that a thread of its own runs when asked to: any number of requests while it runs make
// one more run.
#ifndef ESPALIER_ENGINE_TXN_BACKGROUND_TASK_H_
#define ESPALIER_ENGINE_TXN_BACKGROUND_TASK_H_

#include <functional>
#include <thread>

#include "engine/base/mutex.h"

namespace espalier::txn {

// Thread-safe. There is no thread before the first request.
class BackgroundTask {
 public:
  explicit BackgroundTask(std::function<void()> function) : function_(std::move(function)) {}
  ~BackgroundTask() { Stop(); }
  BackgroundTask(const BackgroundTask&) = delete;
  BackgroundTask& operator=(const BackgroundTask&) = delete;

  // False if the system has no thread for it.
  bool Request();

  // Returns when the running run, if any, has ended; requests that were not begun are dropped. A
  // later request begins anew. Not from within the function.
  void Stop();
  // Stops, and drops all requests from now on.
  void Retire();

 private:
  void Run();

  const std::function<void()> function_;
  Mutex mutex_;
  CondVar changed_;
  bool requested_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool retired_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_BACKGROUND_TASK_H_
