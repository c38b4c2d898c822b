#include "engine/txn/batch_queue.h"

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/log/redo.h"
#include "engine/txn/replay_batch.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {

absl::StatusOr<Version> BatchQueue::Write(std::span<const uint8_t> payload, Durability durability) {
  Batch batch;
  batch.payload = payload;
  batch.durability = durability;
  batch.status = no_memory_;
  bool leads = false;
  {
    MutexLock lock(&mutex_);
    leads = !std::exchange(collecting_, true);
    if (!leads) {
      (first_ == nullptr ? first_ : last_->next) = &batch;
      last_ = &batch;
    }
  }
  if (leads || Await(batch) == Turn::kLeads) Lead(batch);
  ESPALIER_RETURN_IF_ERROR(batch.status);
  return batch.version;
}

// To notify takes no more of the batch than its address.
void BatchQueue::Tell(Batch& batch, Turn turn) {
  batch.turn.store(turn, std::memory_order_release);
  batch.turn.notify_one();
}

BatchQueue::Turn BatchQueue::Await(Batch& batch) {
  batch.turn.wait(Turn::kWaits, std::memory_order_acquire);
  return batch.turn.load(std::memory_order_acquire);
}

void BatchQueue::Lead(Batch& own) {
  Group group{.first = &own, .last = &own, .unapplied = &own, .bytes = own.payload.size()};
  absl::Cleanup finish = [&] { Finish(group); };
  try {
    const absl::StatusOr<Version> version = Commit(group);
    for (Batch* member = group.first; member != nullptr; member = member->next) {
      if (member->failed) continue;
      member->status =
          IsMutant(Mutant::kTellLeaderOnly) && member != &own ? absl::OkStatus() : version.status();
      member->version = version.value_or(Version(0));
    }
  } catch (const std::bad_alloc&) {
    // The others are not to blame, nor to be left waiting: who has no result keeps no_memory_.
  }
}

absl::StatusOr<Version> BatchQueue::Commit(Group& group) {
  ESPALIER_ASSIGN_OR_RETURN(std::shared_ptr<WriteState> transaction,
                            engine_.BeginWrite(std::nullopt, group.first->durability));
  do {
    ESPALIER_RETURN_IF_ERROR(Apply(group, transaction));
  } while (Extend(group));
  return transaction->Commit();
}

// If one fails, what was applied is dropped with it and the others are applied again.
absl::Status BatchQueue::Apply(Group& group, std::shared_ptr<WriteState>& transaction) {
  while (group.unapplied != nullptr) {
    Batch& batch = *std::exchange(group.unapplied, group.unapplied->next);
    if (batch.failed) continue;
    absl::Status status = no_memory_;
    try {
      status = Apply(*transaction, batch.payload);
    } catch (const std::bad_alloc&) {
      // As with any other failure of this one: the rest does without it.
    }
    if (status.ok()) continue;
    batch.failed = true;
    batch.status = std::move(status);
    if (IsMutant(Mutant::kKeepFailedMember)) continue;
    transaction->End();
    ESPALIER_ASSIGN_OR_RETURN(transaction,
                              engine_.BeginWrite(std::nullopt, group.first->durability));
    group.unapplied = group.first;
  }
  return absl::OkStatus();
}

absl::Status BatchQueue::Apply(WriteState& transaction, std::span<const uint8_t> payload) {
  log::RedoReader redo(payload);
  // Most batches have one operation.
  absl::InlinedVector<log::RedoReader::Operation, 1> operations;
  do {
    operations.clear();
    while (operations.size() < ReplayBatch::kTogether) {
      const std::optional<log::RedoReader::Operation> operation = redo.Next();
      if (!operation.has_value()) break;
      operations.push_back(*operation);
    }
    ESPALIER_RETURN_IF_ERROR(transaction.Replay(absl::MakeConstSpan(operations)));
  } while (operations.size() == ReplayBatch::kTogether);
  return redo.malformed() ? absl::InvalidArgumentError("a malformed batch") : absl::OkStatus();
}

bool BatchQueue::Extend(Group& group) {
  Batch& own = *group.first;
  while (true) {
    {
      MutexLock lock(&mutex_);
      const auto fits = [&](const Batch& batch) {
        return batch.durability == own.durability &&
               group.bytes + batch.payload.size() <= kMaxGroupBytes;
      };
      while (first_ != nullptr && fits(*first_)) {
        Batch* const batch = std::exchange(first_, first_->next);
        batch->next = nullptr;
        group.last = group.last->next = batch;
        group.bytes += batch->payload.size();
        if (group.unapplied == nullptr) group.unapplied = batch;
      }
      if (group.unapplied != nullptr) return true;
      if (first_ != nullptr || flushes_ == 0 || own.durability != Durability::kSync ||
          engine_.gate_.awaited()) {
        Close(group);
        return false;
      }
      own.turn.store(Turn::kWaits, std::memory_order_relaxed);
      waiting_leader_ = &own;
    }
    Await(own);
  }
}

void BatchQueue::Close(Group& group) {
  group.flies = true;
  ++flushes_;
  collecting_ = first_ != nullptr;
  if (first_ != nullptr) {
    Batch* const next = std::exchange(first_, first_->next);
    next->next = nullptr;
    Tell(*next, Turn::kLeads);
  }
}

// A member is gone as soon as it knows that it is done. The leader that waits comes last, so that
// its group gets those who come back at once.
void BatchQueue::Finish(Group& group) {
  for (Batch* member = group.first->next; member != nullptr;) {
    Tell(*std::exchange(member, member->next), Turn::kIsDone);
  }
  MutexLock lock(&mutex_);
  if (!group.flies) Close(group);
  --flushes_;
  if (waiting_leader_ != nullptr) Tell(*std::exchange(waiting_leader_, nullptr), Turn::kLeads);
}

void BatchQueue::Hurry() {
  MutexLock lock(&mutex_);
  if (waiting_leader_ != nullptr) Tell(*std::exchange(waiting_leader_, nullptr), Turn::kLeads);
}

}  // namespace espalier::txn
