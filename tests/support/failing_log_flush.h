// No flush of a log succeeds, be it a direct write or an msync.
#ifndef ESPALIER_TESTS_SUPPORT_FAILING_LOG_FLUSH_H_
#define ESPALIER_TESTS_SUPPORT_FAILING_LOG_FLUSH_H_

#include <cerrno>

#include "engine/os/fault_injection.h"

namespace espalier::testing {

class FailingLogFlush : public os::SystemCallObserver {
 public:
  int BeforeCall(const os::SystemCall& call) override {
    const bool flush = call.durable || call.kind == os::SystemCallKind::kSyncMapping;
    return flush && call.path.ends_with("-wal") ? EIO : 0;
  }

 private:
  os::ScopedSystemCallObserver observing_{this};
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_FAILING_LOG_FLUSH_H_
