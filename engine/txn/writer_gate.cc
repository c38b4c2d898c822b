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
  while (occupied_ || waiting_.front() != &self) {
    if (!deadline.has_value()) {
      changed_.Wait(&mutex_);
    } else if (!changed_.WaitUntil(&mutex_, *deadline) &&
               (occupied_ || waiting_.front() != &self)) {
      waiting_.erase(place);
      // Whoever waited behind may be the next now.
      changed_.NotifyAll();
      return false;
    }
  }
  waiting_.erase(place);
  occupied_ = true;
  return true;
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
