#include "engine/txn/writer_gate.h"

namespace espalier::txn {

bool WriterGate::Enter(Deadline deadline) {
  MutexLock lock(&mutex_);
  if (!occupied_ && waiting_.empty()) {
    occupied_ = true;
    return true;
  }
  const char self = 0;
  const auto place = waiting_.insert(waiting_.end(), &self);
  waiting_count_.fetch_add(1, std::memory_order_seq_cst);
  on_wait_();
  bool in_time = true;
  while (in_time && (occupied_ || waiting_.front() != &self)) {
    if (!deadline.has_value()) {
      changed_.Wait(&mutex_);
    } else if (!changed_.WaitUntil(&mutex_, *deadline)) {
      in_time = !occupied_ && waiting_.front() == &self;
    }
  }
  waiting_.erase(place);
  waiting_count_.fetch_sub(1, std::memory_order_seq_cst);
  if (in_time) {
    occupied_ = true;
  } else {
    // Whoever waited behind may be the next now.
    changed_.NotifyAll();
  }
  return in_time;
}

void WriterGate::Leave() {
  MutexLock lock(&mutex_);
  occupied_ = false;
  if (!waiting_.empty()) changed_.NotifyAll();
}

bool WriterGate::LeaveUnless(const std::atomic<bool>& flag) {
  MutexLock lock(&mutex_);
  if (flag.load(std::memory_order_seq_cst)) return false;
  occupied_ = false;
  if (!waiting_.empty()) changed_.NotifyAll();
  return true;
}

bool WriterGate::occupied() const {
  MutexLock lock(&mutex_);
  return occupied_;
}

}  // namespace espalier::txn
