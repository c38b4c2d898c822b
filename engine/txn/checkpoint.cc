// Making a version durable, and giving space back to the file system.
//
// Freeze, under the writer gate: the version, its catalogue, the bitmap of its pages. Then, with
// writers going on: seal its pages, flush everything once, and only then (INV-4) write the slot and
// flush that.
#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/page/checksum.h"
#include "engine/txn/engine.h"

namespace espalier::txn {
namespace {

// Free space inside of the file is given back from this many bytes in a row on.
constexpr uint64_t kPunchBytes = uint64_t{1} << 20;

}  // namespace

absl::Status Engine::Checkpoint() {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  if (options_.read_only) {
    return absl::FailedPreconditionError(absl::StrCat(path(), ": opened for reading only"));
  }
  MutexLock lock(&checkpoint_mutex_);
  ESPALIER_RETURN_IF_ERROR(PoisonStatus());
  ESPALIER_RETURN_IF_ERROR(CheckpointLocked(Closing::kNo));
  gate_.Enter();
  absl::Cleanup leave = [this] { gate_.Leave(); };
  return GiveSpaceBack(/*all_of_the_tail=*/false);
}

absl::Status Engine::CheckpointLocked(Closing closing) {
  ESPALIER_ASSIGN_OR_RETURN(const std::optional<FrozenVersion> frozen, Freeze(closing));
  if (!frozen.has_value()) return absl::OkStatus();
  absl::Status status = WriteFrozen(*frozen);
  gate_.Enter();
  absl::Cleanup leave = [this] { gate_.Leave(); };
  checkpoint_in_progress_.reset();
  if (!status.ok()) return Poison(status);
  slot_ = frozen->slot;
  slot_index_ ^= 1;
  checkpoints_.fetch_add(1, std::memory_order_relaxed);
  ReclaimPages();
  return absl::OkStatus();
}

// Nothing if there is nothing new to make durable.
absl::StatusOr<std::optional<Engine::FrozenVersion>> Engine::Freeze(Closing closing) {
  gate_.Enter();
  absl::Cleanup leave = [this] { gate_.Leave(); };
  const VersionState& version = newest();
  const bool unchanged = version.version == slot_.version;
  if (unchanged && (closing == Closing::kNo || slot_.clean)) return std::nullopt;
  FrozenVersion frozen;
  frozen.slot = slot_;
  ++frozen.slot.sequence;
  frozen.slot.clean = closing == Closing::kYes;
  if (!unchanged) {
    allocator_->Begin(version.version);
    allocator_->AllocateFromFront();
    absl::Status status = space_map_->Rewrite(*allocator_, version.version);
    if (status.ok()) status = OutgrownStatus();
    if (!status.ok()) {
      allocator_->Rollback();
      outgrown_.clear();
      return status;
    }
    allocator_->Commit();
    outgrown_.clear();
    frozen.unsealed = allocator_->TakeUnsealed();
    frozen.slot.version = version.version;
    frozen.slot.catalogue = version.catalogue;
    frozen.slot.next_keyspace_id = version.next_id;
    frozen.slot.space_map = space_map_->root();
    frozen.slot.space_map_height = space_map_->height();
    frozen.slot.page_count = allocator_->reachable_end();
  }
  frozen.source = source_;
  frozen.file_pages = allocator_->page_count();
  checkpoint_in_progress_ = version.version;
  return frozen;
}

absl::Status Engine::WriteFrozen(const FrozenVersion& frozen) {
  page::PageSource& source = *frozen.source;
  for (const PageNumber number : frozen.unsealed) {
    page::SealPage(source.write_page(number), page_bytes(), number);
  }
  // Pages that a fault replaced by zeros were sealed with them: the flush reports the fault.
  ESPALIER_RETURN_IF_ERROR(source.mapping().Sync(0, frozen.file_pages << page_shift_));
  return WriteSlot(frozen.slot, source);
}

// To the place of the older slot. The caller notes that it is the newer one now.
absl::Status Engine::WriteSlot(const page::CheckpointSlot& slot, page::PageSource& source) {
  const uint32_t index = slot_index_ ^ 1;
  const uint64_t offset = page::kSlotOffsets[index];
  ESPALIER_RETURN_IF_ERROR(file_.WriteAt(offset, slot.Encode(superblock_.uuid, index)));
  return source.mapping().Sync(offset, page::CheckpointSlot::kEncodedBytes);
}

// Before the first change: the slot that was found at opening may be durable or only cached, and
// may say that the database was closed. It is made durable, and then written again, as not clean,
// over the older one.
absl::Status Engine::PrepareForWriting() {
  if (prepared_for_writing_) return absl::OkStatus();
  page::CheckpointSlot slot = slot_;
  ++slot.sequence;
  slot.clean = false;
  absl::Status status =
      source_->mapping().Sync(page::kSlotOffsets[slot_index_], page::CheckpointSlot::kEncodedBytes);
  if (status.ok()) status = WriteSlot(slot, *source_);
  if (!status.ok()) return Poison(status);
  slot_ = slot;
  slot_index_ ^= 1;
  prepared_for_writing_ = true;
  return absl::OkStatus();
}

// What the file system refuses stays for the next time. Nothing goes once a flush has failed: the
// slot that it was for may be on the disk, and what that refers to must stay.
absl::Status Engine::GiveSpaceBack(bool all_of_the_tail) {
  ESPALIER_RETURN_IF_ERROR(PoisonStatus());
  ReclaimPages();
  const uint64_t pages = allocator_->page_count();
  const uint64_t needed = allocator_->PagesWithoutFreeTail();
  // A file that goes on growing would only grow again what a checkpoint takes away.
  const uint64_t kept = all_of_the_tail ? 0 : std::max<uint64_t>(needed / 16, 64);
  if (pages > needed + kept) {
    const uint64_t target = needed + kept;
    if (file_.Truncate(target << page_shift_).ok()) {
      allocator_->TailWasReleased(target);
      file_pages_.store(target);
    }
  }
  for (const space::PageRun& run : allocator_->FindFreeRuns(kPunchBytes >> page_shift_)) {
    const absl::StatusOr<bool> punched =
        file_.PunchHole(run.first << page_shift_, run.count << page_shift_);
    if (!punched.ok() || !*punched) break;
    allocator_->BlocksWereReleased(run);
  }
  return absl::OkStatus();
}

absl::Status Engine::Close() {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  MutexLock lock(&checkpoint_mutex_);
  closed_.store(true, std::memory_order_seq_cst);
  if (HasTransactions()) {
    closed_.store(false, std::memory_order_seq_cst);
    return absl::FailedPreconditionError("transactions are still open");
  }
  absl::Status status = PoisonStatus();
  if (status.ok() && prepared_for_writing_) {
    status = CheckpointLocked(Closing::kYes);
    // A full disk, for one: nothing was lost yet.
    if (!status.ok() && PoisonStatus().ok()) {
      closed_.store(false, std::memory_order_seq_cst);
      return status;
    }
    if (status.ok()) status = GiveSpaceBack(/*all_of_the_tail=*/true);
    // The older slot as well, so that either of them alone opens the database.
    if (status.ok()) {
      page::CheckpointSlot twin = slot_;
      ++twin.sequence;
      status = WriteSlot(twin, *source_);
    }
  }
  registration_.reset();
  // Unlocks the file for whoever opens it next. The mapping stays until the handle goes.
  os::File closing = std::move(file_);
  return status;
}

}  // namespace espalier::txn
