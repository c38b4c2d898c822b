#include "engine/txn/writer_gate.h"

namespace espalier::txn {

bool WriterGate::Enter(Deadline deadline, const std::atomic<bool>* give_up) {
  MutexLock lock(&mutex_);
  if (!occupied_ && waiting_.empty()) {
    occupied_ = true;
    return true;
  }
  const char self = 0;
  const auto place = waiting_.insert(waiting_.end(), &self);
  waiting_count_.fetch_add(1, std::memory_order_seq_cst);
  on_wait_();
  bool waits = true;
  while (waits && !IsNext(&self)) {
    if (give_up != nullptr && give_up->load(std::memory_order_seq_cst)) {
      waits = false;
    } else if (!deadline.has_value()) {
      changed_.Wait(&mutex_);
    } else {
      waits = changed_.WaitUntil(&mutex_, *deadline);
    }
  }
  const bool entered = IsNext(&self);
  waiting_.erase(place);
  waiting_count_.fetch_sub(1, std::memory_order_seq_cst);
  if (entered) {
    occupied_ = true;
  } else {
    // Whoever waited behind may be the next now.
    changed_.NotifyAll();
  }
  return entered;
}

void WriterGate::Wake() {
  MutexLock lock(&mutex_);
  changed_.NotifyAll();
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
