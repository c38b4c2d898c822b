// Prepares pages in a thread of its own, while the writer still fills those before them.
#ifndef ESPALIER_ENGINE_TXN_PAGE_PREPARER_H_
#define ESPALIER_ENGINE_TXN_PAGE_PREPARER_H_

#include <functional>
#include <memory>
#include <utility>

#include "engine/base/mutex.h"
#include "engine/base/types.h"
#include "engine/os/mapping.h"
#include "engine/page/page_source.h"
#include "engine/txn/background_task.h"

namespace espalier::txn {

// Start() and Finish() are for who has the writer's lock.
class PagePreparer {
 public:
  using Function = std::function<void(const PageRun&, os::Mapping&)>;
  explicit PagePreparer(Function prepare)
      : prepare_(std::move(prepare)), task_([this] { Run(); }) {}

  // With all that was started before finished.
  void Start(const PageRun& pages, std::shared_ptr<page::PageSource> source);
  // Waits for the thread if it has begun, and calls it off otherwise. Whether the pages are
  // prepared.
  bool Finish();
  // Nothing is being prepared when it returns. A later Start() begins anew.
  void Stop() { task_.Stop(); }

 private:
  enum class State { kIdle, kRequested, kRunning, kDone };

  void Run();

  const Function prepare_;
  Mutex mutex_;
  CondVar done_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  PageRun pages_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<page::PageSource> source_ ABSL_GUARDED_BY(mutex_);
  BackgroundTask task_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_PAGE_PREPARER_H_
