#include "engine/txn/page_preparer.h"

#include <new>

namespace espalier::txn {

void PagePreparer::Start(const PageRun& pages, std::shared_ptr<page::PageSource> source) {
  {
    MutexLock lock(&mutex_);
    state_ = State::kRequested;
    pages_ = pages;
    source_ = std::move(source);
  }
  // Without a thread it stays undone.
  static_cast<void>(task_.Request());
}

void PagePreparer::Run() {
  PageRun pages;
  std::shared_ptr<page::PageSource> source;
  {
    MutexLock lock(&mutex_);
    if (state_ != State::kRequested) return;
    state_ = State::kRunning;
    pages = pages_;
    source = std::move(source_);
  }
  try {
    prepare_(pages, source->mapping());
  } catch (const std::bad_alloc&) {
    // It would have been for the message of an error that nobody hears of.
  }
  source.reset();
  MutexLock lock(&mutex_);
  state_ = State::kDone;
  done_.NotifyAll();
}

bool PagePreparer::Finish() {
  MutexLock lock(&mutex_);
  while (state_ == State::kRunning) done_.Wait(&mutex_);
  source_.reset();
  return std::exchange(state_, State::kIdle) == State::kDone;
}

}  // namespace espalier::txn
