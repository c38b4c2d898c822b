// Batches of operations from many threads, applied in groups: whoever comes to the front applies
// all that wait, in one version, with one record in the log and one flush. (LevelDB's writer
// queue.)
#ifndef ESPALIER_ENGINE_TXN_BATCH_QUEUE_H_
#define ESPALIER_ENGINE_TXN_BATCH_QUEUE_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/mutex.h"
#include "engine/base/types.h"
#include "engine/txn/engine.h"

namespace espalier::txn {

class WriteState;

// Thread-safe.
class BatchQueue {
 public:
  explicit BatchQueue(Engine* engine) : engine_(*engine) {}

  // `payload`: operations as in the log (engine/log/redo.h). All of them are committed, or nothing.
  // kResourceExhausted also if memory runs out, be it in another thread.
  absl::StatusOr<Version> Write(std::span<const uint8_t> payload, Durability durability);

 private:
  // Of a thread that waits in Write().
  struct Batch {
    std::span<const uint8_t> payload;
    Durability durability;
    CondVar changed;
    bool leads = false;  // commits the group that begins with this one
    bool failed = false;
    bool done = false;
    absl::Status status;
    Version version{0};
    Batch* next = nullptr;  // in the queue, then in the group
  };

  // A group is not larger than this, so that none of its members waits long for the others.
  static constexpr size_t kMaxGroupBytes = size_t{1} << 20;

  // The lists need no memory: who leads can always hand on the lead and wake its group.
  Batch* TakeGroup();
  void Finish(Batch* group);
  // Both set the results, but for those who failed for want of memory and so begin with that one.
  void Lead(Durability durability);
  void Commit(Batch* group, std::shared_ptr<WriteState> transaction);
  static absl::Status Apply(WriteState& transaction, std::span<const uint8_t> payload);

  Engine& engine_;
  // Made beforehand: to copy it takes no memory.
  const absl::Status no_memory_ = absl::ResourceExhaustedError("no memory to apply the batch");
  Mutex mutex_;
  // The first one leads.
  Batch* first_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Batch* last_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_BATCH_QUEUE_H_
