#include "tests/fault/faulty_calls.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace espalier::testing {
namespace {

using os::SystemCall;
using os::SystemCallKind;

// The call that the thread is in, of the kind, counted from 1.
thread_local int current_call = 0;

}  // namespace

std::string Fault::Name() const {
  std::string name = absl::StrCat("call ", n, for_ever ? " and all others " : " ");
  if (effect != Effect::kError) name += "short ";
  if (effect != Effect::kShort) name += strerrorname_np(error);
  return name;
}

FaultyCalls::FaultyCalls(const Fault& fault, FaultCounter* counter)
    : fault_(fault), counter_(counter) {}

int FaultyCalls::BeforeCall(const SystemCall& call) {
  if (call.kind != fault_.kind) return 0;
  current_call = counter_->calls.fetch_add(1) + 1;
  const int first = fault_.effect == Fault::Effect::kShortThenError ? fault_.n + 1 : fault_.n;
  const bool failing = fault_.for_ever ? current_call >= first : current_call == first;
  return failing && fault_.effect != Fault::Effect::kShort ? fault_.error : 0;
}

uint64_t FaultyCalls::LimitLength(const SystemCall& call) {
  if (call.kind != fault_.kind || fault_.effect == Fault::Effect::kError) return call.length;
  const bool concerned = current_call == fault_.n || (fault_.for_ever && current_call > fault_.n);
  if (!concerned) return call.length;
  // Past the page cache the kernel moves whole blocks only.
  const uint64_t unit = call.durable ? 4096 : 1;
  // A quarter: the second half of a checkpoint slot is zeros, so that half of one is all of it.
  return std::min(call.length, std::max(unit, call.length / 4 / unit * unit));
}

// What is not yet the database or its log fails for itself alone; and so does the first record of a
// fresh log, which no checkpoint slot refers to: it is given up, and the next commit makes another.
bool FaultyCalls::IsFlushInUse(const SystemCall& call) {
  const bool of_log = call.path.ends_with("-wal");
  if (call.kind == SystemCallKind::kRename && call.second_path.ends_with("-wal")) {
    fresh_log_.store(true);
  }
  const bool flush =
      call.kind == SystemCallKind::kSyncData || call.kind == SystemCallKind::kSyncMapping ||
      call.kind == SystemCallKind::kWriteBack || call.kind == SystemCallKind::kAwaitWriteBack ||
      (call.kind == SystemCallKind::kWrite && call.durable);
  if (!flush || call.path.find("/.espalier-new-") != std::string_view::npos) return false;
  return !(of_log && fresh_log_.exchange(false));
}

void FaultyCalls::AfterCall(const SystemCall& call, int result_errno) {
  if (call.kind == SystemCallKind::kWrite && result_errno == EINTR) return;  // it is made again
  // The flush does it.
  if (call.kind == SystemCallKind::kWriteBack && result_errno == ENOMEM) return;
  if (IsFlushInUse(call) && result_errno != 0) counter_->flush_failed.store(true);
}

}  // namespace espalier::testing
