// Batches of operations from many threads, applied in groups: whoever comes to the front applies
// all that wait, in one version, with one record in the log and one flush. (LevelDB's writer
// queue.) While the flush of one group is under way, the next one collects: it is applied, and
// takes in whoever comes, until that flush has ended and nobody waits.
#ifndef ESPALIER_ENGINE_TXN_BATCH_QUEUE_H_
#define ESPALIER_ENGINE_TXN_BATCH_QUEUE_H_

#include <atomic>
#include <cstddef>
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
  // Somebody waits for the gate: no group holds it any longer for the sake of a flush.
  void Hurry();

 private:
  // Set by another thread, which touches the batch no more afterwards.
  enum class Turn : int { kWaits, kLeads, kIsDone };

  // Of a thread that is in Write().
  struct Batch {
    std::span<const uint8_t> payload;
    Durability durability;
    std::atomic<Turn> turn = Turn::kWaits;
    bool failed = false;
    absl::Status status;
    Version version{0};
    Batch* next = nullptr;  // in the queue, then in the group
  };

  // Batches that are committed together, the leader's own first. The lists need no memory: who
  // leads can always hand on the lead and wake its group.
  struct Group {
    Batch* first;
    Batch* last;
    Batch* unapplied;  // and all after it
    size_t bytes;
    bool flies = false;  // closed, and others wait for its flush
  };

  // A group is not larger than this, so that none of its members waits long for the others.
  static constexpr size_t kMaxGroupBytes = size_t{1} << 20;

  static void Tell(Batch& batch, Turn turn);
  static Turn Await(Batch& batch);

  // Both set the results, but for those who failed for want of memory and so begin with that one.
  void Lead(Batch& own);
  absl::StatusOr<Version> Commit(Group& group);
  // Applies what is not applied yet; where a batch fails, all others anew.
  absl::Status Apply(Group& group, std::shared_ptr<WriteState>& transaction);
  static absl::Status Apply(WriteState& transaction, std::span<const uint8_t> payload);
  // Takes in those that wait or, while there is a flush to wait for, will come. False if there are
  // none: then the group is closed, and another one may collect.
  bool Extend(Group& group);
  void Close(Group& group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(Group& group);

  Engine& engine_;
  // Made beforehand: to copy it takes no memory.
  const absl::Status no_memory_ = absl::ResourceExhaustedError("no memory to apply the batch");
  Mutex mutex_;
  bool collecting_ ABSL_GUARDED_BY(mutex_) = false;  // there is a leader whose group is not closed
  Batch* waiting_leader_ ABSL_GUARDED_BY(mutex_) = nullptr;  // in Extend()
  uint64_t flushes_ ABSL_GUARDED_BY(mutex_) = 0;             // of closed groups, under way
  // Those that wait to be taken in.
  Batch* first_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Batch* last_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_BATCH_QUEUE_H_
