#include "engine/txn/batch_queue.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "engine/base/status_macros.h"
#include "engine/log/redo.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {

absl::StatusOr<Version> BatchQueue::Write(std::span<const uint8_t> payload, Durability durability) {
  Batch batch;
  batch.payload = payload;
  batch.durability = durability;
  {
    MutexLock lock(&mutex_);
    batch.leads = waiting_.empty();
    waiting_.push_back(&batch);
    while (!batch.leads && !batch.done) batch.changed.Wait(&mutex_);
  }
  if (batch.leads) {
    // More come while this waits for the writer before it.
    absl::StatusOr<std::shared_ptr<WriteState>> transaction =
        engine_.BeginWrite(std::nullopt, durability);
    const std::vector<Batch*> group = TakeGroup();
    if (transaction.ok()) {
      Commit(group, *std::move(transaction));
    } else {
      for (Batch* const member : group) member->status = transaction.status();
    }
    MutexLock lock(&mutex_);
    for (Batch* const member : group) {
      member->done = true;
      member->changed.NotifyOne();
    }
  }
  ESPALIER_RETURN_IF_ERROR(batch.status);
  return batch.version;
}

// The next group forms from here on, and waits for the writer's place, not for the flush.
std::vector<BatchQueue::Batch*> BatchQueue::TakeGroup() {
  MutexLock lock(&mutex_);
  std::vector<Batch*> group;
  size_t bytes = 0;
  const Durability durability = waiting_.front()->durability;
  while (!waiting_.empty() && waiting_.front()->durability == durability &&
         (group.empty() || bytes + waiting_.front()->payload.size() <= kMaxGroupBytes)) {
    bytes += waiting_.front()->payload.size();
    group.push_back(waiting_.front());
    waiting_.pop_front();
  }
  if (!waiting_.empty()) {
    waiting_.front()->leads = true;
    waiting_.front()->changed.NotifyOne();
  }
  return group;
}

// If one fails, what was applied is dropped with it and the others are applied again.
void BatchQueue::Commit(const std::vector<Batch*>& group, std::shared_ptr<WriteState> transaction) {
  std::vector<Batch*> good = group;
  while (!good.empty()) {
    const auto failed = std::find_if(good.begin(), good.end(), [&](Batch* member) {
      member->status = Apply(*transaction, member->payload);
      return !member->status.ok();
    });
    if (failed == good.end()) break;
    good.erase(failed);
    transaction->End();
    if (good.empty()) return;
    absl::StatusOr<std::shared_ptr<WriteState>> another =
        engine_.BeginWrite(std::nullopt, group.front()->durability);
    if (!another.ok()) {
      for (Batch* const member : good) member->status = another.status();
      return;
    }
    transaction = *std::move(another);
  }
  const absl::StatusOr<Version> version = transaction->Commit();
  for (Batch* const member : good) {
    member->status = version.status();
    if (version.ok()) member->version = *version;
  }
}

absl::Status BatchQueue::Apply(WriteState& transaction, std::span<const uint8_t> payload) {
  log::RedoReader redo(payload);
  while (const std::optional<log::RedoReader::Operation> operation = redo.Next()) {
    ESPALIER_RETURN_IF_ERROR(transaction.Replay(*operation));
  }
  return redo.malformed() ? absl::InvalidArgumentError("a malformed batch") : absl::OkStatus();
}

}  // namespace espalier::txn
