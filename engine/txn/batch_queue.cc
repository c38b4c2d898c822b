#include "engine/txn/batch_queue.h"

#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/log/redo.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {

absl::StatusOr<Version> BatchQueue::Write(std::span<const uint8_t> payload, Durability durability) {
  Batch batch;
  batch.payload = payload;
  batch.durability = durability;
  batch.status = no_memory_;
  {
    MutexLock lock(&mutex_);
    batch.leads = first_ == nullptr;
    (batch.leads ? first_ : last_->next) = &batch;
    last_ = &batch;
    while (!batch.leads && !batch.done) batch.changed.Wait(&mutex_);
  }
  if (batch.leads) Lead(durability);
  ESPALIER_RETURN_IF_ERROR(batch.status);
  return batch.version;
}

void BatchQueue::Lead(Durability durability) {
  Batch* group = nullptr;
  absl::Cleanup finish = [&] { Finish(group != nullptr ? group : TakeGroup()); };
  try {
    // More come while this waits for the writer before it.
    absl::StatusOr<std::shared_ptr<WriteState>> transaction =
        engine_.BeginWrite(std::nullopt, durability);
    group = TakeGroup();
    if (transaction.ok()) return Commit(group, *std::move(transaction));
    for (Batch* member = group; member != nullptr; member = member->next) {
      member->status = transaction.status();
    }
  } catch (const std::bad_alloc&) {
    // The others are not to blame, nor to be left waiting: who has no result keeps no_memory_.
  }
}

// The next group forms from here on, and waits for the writer's place, not for the flush.
BatchQueue::Batch* BatchQueue::TakeGroup() {
  MutexLock lock(&mutex_);
  Batch* const group = first_;
  Batch* end = group;
  size_t bytes = group->payload.size();
  while (end->next != nullptr && end->next->durability == group->durability &&
         bytes + end->next->payload.size() <= kMaxGroupBytes) {
    end = end->next;
    bytes += end->payload.size();
  }
  first_ = std::exchange(end->next, nullptr);
  if (first_ != nullptr) {
    first_->leads = true;
    first_->changed.NotifyOne();
  }
  return group;
}

// A member is gone as soon as it knows that it is done.
void BatchQueue::Finish(Batch* group) {
  MutexLock lock(&mutex_);
  while (group != nullptr) {
    Batch* const member = std::exchange(group, group->next);
    member->done = true;
    member->changed.NotifyOne();
  }
}

// If one fails, what was applied is dropped with it and the others are applied again.
void BatchQueue::Commit(Batch* group, std::shared_ptr<WriteState> transaction) {
  const auto for_each_good = [&](const auto& function) {
    for (Batch* member = group; member != nullptr; member = member->next) {
      if (!member->failed && !function(*member)) return false;
    }
    return true;
  };
  const auto apply = [&](Batch& member) {
    absl::Status status = no_memory_;
    try {
      status = Apply(*transaction, member.payload);
    } catch (const std::bad_alloc&) {
      // As with any other failure of this one: the rest does without it.
    }
    if (status.ok()) return true;
    member.failed = true;
    member.status = std::move(status);
    return false;
  };
  absl::StatusOr<Version> version = Version(0);
  while (!for_each_good(apply)) {
    if (IsMutant(Mutant::kKeepFailedMember)) continue;
    transaction->End();
    if (for_each_good([](const Batch&) { return false; })) return;  // none is left
    absl::StatusOr<std::shared_ptr<WriteState>> another =
        engine_.BeginWrite(std::nullopt, group->durability);
    if (!another.ok()) {
      version = another.status();
      break;
    }
    transaction = *std::move(another);
  }
  if (version.ok()) version = transaction->Commit();
  for_each_good([&](Batch& member) {
    member.status =
        IsMutant(Mutant::kTellLeaderOnly) && !member.leads ? absl::OkStatus() : version.status();
    member.version = version.value_or(Version(0));
    return true;
  });
}

absl::Status BatchQueue::Apply(WriteState& transaction, std::span<const uint8_t> payload) {
  log::RedoReader redo(payload);
  while (const std::optional<log::RedoReader::Operation> operation = redo.Next()) {
    ESPALIER_RETURN_IF_ERROR(transaction.Replay(*operation));
  }
  return redo.malformed() ? absl::InvalidArgumentError("a malformed batch") : absl::OkStatus();
}

}  // namespace espalier::txn
