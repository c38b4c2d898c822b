// What was committed after the last checkpoint comes back from the log.
//
// The slot says where in the log its version stands. From there on the records are replayed, up to
// the first that does not continue the chain. Nothing of this changes what the slot refers to, so
// that it can be interrupted anywhere and begun again.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/endian.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/log/log_reader.h"
#include "engine/log/redo.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "engine/tree/lookup.h"
#include "engine/txn/engine.h"
#include "engine/txn/found_pages.h"
#include "engine/txn/replay_batch.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {
namespace {

// Of the log, sorted at once.
constexpr uint64_t kBatchBytes = uint64_t{128} << 20;
constexpr uint64_t kOperationsPerProgress = uint64_t{1} << 14;
// It is looked at so many pages, spread over the file, and one of so many may be missing in memory.
constexpr uint64_t kPagesSampled = 256;
constexpr uint64_t kSampledPerUncached = 16;
// No log comes so far; from here on positions could overflow.
constexpr uint64_t kMaxLogPosition = uint64_t{1} << 62;

struct OpenedLog {
  os::File file;
  log::Header header;
};

// kDataLoss unless it is there and belongs to the database.
absl::StatusOr<OpenedLog> OpenLog(const std::string& path, const Uuid& uuid, os::OpenMode mode) {
  absl::StatusOr<os::File> file = os::File::Open(path, mode);
  if (absl::IsNotFound(file.status())) {
    return absl::DataLossError(absl::StrCat(
        path, ": missing; the database was not closed and cannot be opened without its log"));
  }
  ESPALIER_RETURN_IF_ERROR(file.status());
  ESPALIER_ASSIGN_OR_RETURN(const std::optional<log::Header> header, log::ReadHeader(*file));
  if (!header.has_value()) {
    return absl::DataLossError(absl::StrCat(path, ": damaged, or not a log"));
  }
  if (header->uuid != uuid) {
    return absl::DataLossError(absl::StrCat(path, ": the log of another database"));
  }
  return OpenedLog{*std::move(file), *header};
}

}  // namespace

absl::Status Engine::CheckNothingFollows(const page::CheckpointSlot& slot) const {
  if (log_path_.empty() || IsMutant(Mutant::kTrustCleanSlot)) return absl::OkStatus();
  const absl::StatusOr<OpenedLog> opened =
      OpenLog(log_path_, superblock_.uuid, os::OpenMode::kReadOnly);
  // No log of ours: so it should be. Where that cannot be known, nothing is opened.
  if (absl::IsDataLoss(opened.status()) || absl::IsInvalidArgument(opened.status()) ||
      (!opened.ok() && IsMutant(Mutant::kTrustUnreadableLog))) {
    return absl::OkStatus();
  }
  ESPALIER_RETURN_IF_ERROR(opened.status());
  log::LogReader reader(
      &opened->file, opened->header.ring_bytes,
      {.position = LogPosition(0), .generation = opened->header.generation, .sequence = 1});
  while (true) {
    ESPALIER_ASSIGN_OR_RETURN(const std::optional<log::LogReader::Record> record, reader.Next());
    if (!record.has_value()) return absl::OkStatus();
    if (record->kind == log::RecordKind::kTransaction && record->version > slot.version) {
      return absl::DataLossError(
          absl::StrCat(path(), ": the newest checkpoint slot is damaged; the log goes on from it"));
    }
  }
}

absl::Status Engine::Recover(const page::CheckpointSlot& slot) {
  const os::OpenMode mode = options_.read_only ? os::OpenMode::kReadOnly : os::OpenMode::kReadWrite;
  ESPALIER_ASSIGN_OR_RETURN(OpenedLog opened, OpenLog(log_path_, superblock_.uuid, mode));
  const uint64_t ring_bytes = opened.header.ring_bytes;
  if (slot.log_position % log::kBlockBytes != 0 || slot.log_position > kMaxLogPosition) {
    return absl::DataLossError(absl::StrCat(path(), ": checkpoint ", slot.sequence,
                                            " refers to byte ", slot.log_position, " of its log"));
  }
  const log::LogPlace start = {.position = LogPosition(slot.log_position),
                               .generation = slot.log_generation,
                               .chain_value = slot.log_chain_value};
  // What is acknowledged from now on builds on what is found. Whoever only reads promises nothing.
  const os::ReadFrom from = options_.read_only || IsMutant(Mutant::kRecoverFromCache)
                                ? os::ReadFrom::kCache
                                : os::ReadFrom::kDevice;
  FoundPages found(&file_, from, page_bytes());
  log::LogReader reader(&opened.file, ring_bytes, start, from);
  ESPALIER_ASSIGN_OR_RETURN(std::optional<log::LogReader::Record> record, reader.Next());
  if ((!record.has_value() || record->kind != log::RecordKind::kCheckpoint ||
       record->position != start.position || record->version != slot.version) &&
      !IsMutant(Mutant::kNoConnectCheck)) {
    return absl::DataLossError(absl::StrCat(log_path_, ": does not connect to checkpoint ",
                                            slot.sequence, " of ", path()));
  }
  Version newest = slot.version;
  uint64_t transactions = 0;
  log::LogPlace end = reader.place();
  while (record.has_value()) {
    newest = std::max(newest, record->version);
    if (record->kind == log::RecordKind::kTransaction) {
      // A record that was never flushed can be there without the large values that it refers to.
      ESPALIER_ASSIGN_OR_RETURN(const bool sound,
                                WithholdRuns(record->payload, record->version, found));
      if (!sound) break;
      ++transactions;
    }
    end = reader.place();
    ESPALIER_ASSIGN_OR_RETURN(record, reader.Next());
  }
  if (newest.value > page::kMaxVersion - 2 * kLostVersions) {
    return absl::DataLossError(absl::StrCat(log_path_, ": a record of version ", newest.value));
  }
  // What could not be read may be there: that is no end of the log.
  if (source_->faulted()) return source_->FaultStatus();
  first_new_version_ = Version(newest.value + kLostVersions);
  recovered_transactions_ = transactions;
  recovered_bytes_ = end.position.value - start.position.value;
  recovered_ring_bytes_ = ring_bytes;
  if (options_.read_only) {
    return Replay(opened.file, ring_bytes, start, end.position, from);
  }

  ESPALIER_ASSIGN_OR_RETURN(
      std::shared_ptr<log::LogWriter> log,
      log::LogWriter::Continue(std::move(opened.file), ring_bytes, end,
                               IsMutant(Mutant::kRecycleInRecovery) ? end.position : start.position,
                               LogCallbacks()));
  SetLog(std::move(log));
  // Before a page is handed out, the slot that must not refer to it is surely on the disk.
  ESPALIER_RETURN_IF_ERROR(PrepareForWriting(/*logged=*/true));
  ESPALIER_RETURN_IF_ERROR(Replay(log_->file(), ring_bytes, start, end.position, from));
  // The next recovery must not give out the same versions, even if none of them has come into the
  // log until then.
  const Version newest_possible =
      std::max(applied().version, Version(first_new_version_.value - 1));
  const absl::StatusOr<log::LogWriter::Appended> generation =
      log_->AppendGeneration(newest_possible);
  if (absl::IsResourceExhausted(generation.status()) && log_->status().ok()) {
    return DoWithoutFullLog();
  }
  ESPALIER_RETURN_IF_ERROR(generation.status());
  if (!IsMutant(Mutant::kSkipGenerationFlush)) {
    ESPALIER_RETURN_IF_ERROR(log_->Flush(generation->end));
  }
  // No checkpoint would make room: it would have nothing new to write, or there never is enough.
  if ((transactions == 0 && !HasLogSpace(*log_)) || ring_bytes < log::kMinRingBytes) {
    return DoWithoutFullLog();
  }
  if (transactions > 0) static_cast<void>(background_.Request());
  return absl::OkStatus();
}

// Each recovery that ends before its checkpoint has taken a block of the log. When it is full of
// them, this one ends as a close does.
absl::Status Engine::DoWithoutFullLog() {
  ESPALIER_RETURN_IF_ERROR(MakeClean());
  prepared_for_writing_ = false;
  return absl::OkStatus();
}

// Keeps the large values and leaves that a record refers to where they are. False if one of them is
// not there.
absl::StatusOr<bool> Engine::WithholdRuns(std::span<const uint8_t> redo_payload, Version version,
                                          FoundPages& found) {
  std::vector<PageRun> withheld;
  absl::Cleanup give_back = [&] {
    for (const PageRun& run : withheld) {
      allocator_->GiveBackWithheld(PageNumber(run.first), run.count);
    }
  };
  const auto withhold = [&](const PageRun& run) {
    if (!allocator_->Withhold(PageNumber(run.first), run.count)) return false;
    withheld.push_back(run);
    return true;
  };
  const auto withhold_leaves =
      [&](const log::RedoReader::Operation& operation) -> absl::StatusOr<bool> {
    const auto runs = log::DecodeLeafRuns(operation.key);
    if (!runs.has_value()) return false;
    std::vector<uint64_t> checksums;
    for (const PageRun& run : *runs) {
      if (!withhold(run)) return false;
      for (uint64_t i = 0; i < run.count; ++i) {
        ESPALIER_ASSIGN_OR_RETURN(const auto checksum,
                                  found.LeafChecksum(PageNumber(run.first + i), version));
        if (!checksum.has_value()) return false;
        checksums.push_back(*checksum);
      }
    }
    return log::ChecksumOfLeaves(checksums) ==
               LoadLE64(reinterpret_cast<const uint8_t*>(operation.value.data())) ||
           IsMutant(Mutant::kTakeOtherLeaves) || IsMutant(Mutant::kReplayUnsoundLeaf);
  };
  const auto withhold_value =
      [&](const log::RedoReader::Operation& operation) -> absl::StatusOr<bool> {
    const page::PageReader reader(source_.get(), Version(UINT64_MAX), allocator_->page_count());
    const page::LargeRef ref =
        page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(operation.value.data()));
    if (!reader.CheckBounds(ref).ok()) return false;
    ESPALIER_ASSIGN_OR_RETURN(const bool sound, found.HasRun(ref));
    return sound && withhold({ref.first_page.value, ref.RunPages(page_bytes())});
  };
  log::RedoReader redo(redo_payload);
  while (const std::optional<log::RedoReader::Operation> operation = redo.Next()) {
    bool sound = true;
    if (operation->kind == log::RedoKind::kAppendLeaves) {
      ESPALIER_ASSIGN_OR_RETURN(sound, withhold_leaves(*operation));
    } else if (operation->kind == log::RedoKind::kPutLarge) {
      ESPALIER_ASSIGN_OR_RETURN(sound, withhold_value(*operation));
    }
    if (!sound) return false;
  }
  std::move(give_back).Cancel();
  // The device has them, but may have them in its cache.
  if (!options_.read_only && !IsMutant(Mutant::kSkipFoundRunFlush)) {
    NoteLoggedRuns(withheld, version);
  }
  return true;
}

bool Engine::IsMostlyCached() const {
  const Bitmap& reachable = allocator_->reachable();
  uint64_t sampled = 0;
  uint64_t cached = 0;
  for (uint64_t i = 0; i < kPagesSampled; ++i) {
    const uint64_t page = reachable.size() * i / kPagesSampled;
    if (!reachable.Test(page)) continue;
    ++sampled;
    cached += CachedFrom(page, 1).cached ? 1 : 0;
  }
  return sampled - cached <= sampled / kSampledPerUncached;
}

absl::Status Engine::Replay(const os::File& log_file, uint64_t ring_bytes,
                            const log::LogPlace& start, LogPosition end, os::ReadFrom from) {
  const uint64_t total = end.value - start.position.value;
  log::LogReader reader(&log_file, ring_bytes, start, from);
  ReplayBatch batch(std::min(total, kBatchBytes));
  std::shared_ptr<WriteState> transaction;
  // In memory the order of the keys is help enough.
  const bool cold = !IsMostlyCached();
  const auto replay = [&](absl::Span<const log::RedoReader::Operation> operations) {
    if (transaction == nullptr) {
      gate_.Enter();
      transaction = MakeWriteState(Durability::kCheckpoint);
    }
    absl::Status status;
    if (cold) {
      status = transaction->Replay(operations);
    } else {
      for (size_t i = 0; i < operations.size() && status.ok(); ++i) {
        status = transaction->Replay(operations[i]);
      }
    }
    if (status.ok() || absl::IsResourceExhausted(status)) return status;
    return absl::DataLossError(absl::StrCat(log_path_, ": what comes before ",
                                            reader.place().position.value,
                                            " cannot be replayed: ", status.message()));
  };
  uint64_t replayed_bytes = 0;
  const auto replay_batch = [&] {
    const uint64_t batch_bytes =
        reader.place().position.value - start.position.value - replayed_bytes;
    uint64_t done = 0;
    uint64_t told = 0;
    const absl::Status status =
        batch.Apply([&](absl::Span<const log::RedoReader::Operation> operations) {
          done += operations.size();
          if (done - told >= kOperationsPerProgress && options_.recovery_progress) {
            told = done;
            if (!options_.recovery_progress(replayed_bytes + batch_bytes * done / batch.size(),
                                            total)) {
              return absl::CancelledError("the recovery was cancelled");
            }
          }
          return replay(operations);
        });
    replayed_bytes += batch_bytes;
    return status;
  };
  while (reader.place().position < end) {
    ESPALIER_ASSIGN_OR_RETURN(const std::optional<log::LogReader::Record> record, reader.Next());
    if (!record.has_value()) {
      return absl::DataLossError(absl::StrCat(log_path_, ": changed while it was read"));
    }
    if (record->kind != log::RecordKind::kTransaction) continue;
    if (!batch.HasRoom(record->payload.size())) {
      ESPALIER_RETURN_IF_ERROR(replay_batch());
      batch.Clear();
    }
    log::RedoReader redo(batch.Hold(record->payload));
    for (const uint8_t* begin = redo.position();
         const std::optional<log::RedoReader::Operation> operation = redo.Next();
         begin = redo.position()) {
      if (ReplayBatch::IsOfOneKey(operation->kind)) {
        batch.Add(begin, *operation);
        continue;
      }
      ESPALIER_RETURN_IF_ERROR(replay_batch());
      ESPALIER_RETURN_IF_ERROR(replay({&*operation, 1}));
    }
    if (redo.malformed()) {
      return absl::DataLossError(
          absl::StrCat(log_path_, ": the record at ", record->position.value, " is malformed"));
    }
  }
  ESPALIER_RETURN_IF_ERROR(replay_batch());
  if (transaction != nullptr) ESPALIER_RETURN_IF_ERROR(transaction->CommitReplay());
  if (options_.recovery_progress) options_.recovery_progress(total, total);
  return absl::OkStatus();
}

absl::Status WriteState::CommitReplay() {
  same_content_ = true;
  changed_ = true;
  return Commit().status();
}

absl::Status WriteState::Replay(const log::RedoReader::Operation& operation) {
  using log::RedoKind;
  if (operation.kind == RedoKind::kCreate) {
    ESPALIER_ASSIGN_OR_RETURN(const bool taken, HasKeyspace(operation.keyspace));
    if (taken) return absl::AlreadyExistsError("a keyspace is created twice");
    // Ids are numbers of dropped trees, too, and of those there may be others now.
    const uint64_t next_id = std::exchange(next_id_, operation.keyspace);
    const absl::Status status = CreateKeyspace(operation.key, operation.compress_from).status();
    next_id_ = std::max(next_id, operation.keyspace + 1);
    return status;
  }
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const keyspace, FindKeyspace(operation.keyspace));
  switch (operation.kind) {
    case RedoKind::kPut:
      ESPALIER_RETURN_IF_ERROR(CheckKey(operation.key));
      return Put(*keyspace, operation.key, operation.value, PutMode::kReplace).status();
    case RedoKind::kDelete:
      ESPALIER_RETURN_IF_ERROR(CheckKey(operation.key));
      return Delete(*keyspace, operation.key).status();
    case RedoKind::kDeleteRange:
      return DeleteRange(*keyspace, operation.key, operation.value).status();
    case RedoKind::kDeleteFrom:
      return DeleteRange(*keyspace, operation.key, std::nullopt).status();
    case RedoKind::kDrop:
      return DropKeyspace(*keyspace);
    case RedoKind::kRename:
      return RenameKeyspace(*keyspace, operation.key);
    case RedoKind::kPutLarge:
      ESPALIER_RETURN_IF_ERROR(CheckKey(operation.key));
      return PutLarge(*keyspace, operation.key, operation.value);
    case RedoKind::kAppendLeaves:
      return ReplayLeaves(*keyspace, operation.key);
    case RedoKind::kCreate:
    case RedoKind::kInKeyspace:
      break;
  }
  return absl::InvalidArgumentError("an operation of an unknown kind");
}

absl::Status WriteState::ReplayLeaves(KeyspaceState& keyspace, std::string_view argument) {
  const auto runs = log::DecodeLeafRuns(argument);
  if (!runs.has_value()) return absl::InvalidArgumentError("runs of leaves that are none");
  for (const PageRun& run : *runs) {
    for (uint64_t i = 0; i < run.count; ++i) {
      ESPALIER_RETURN_IF_ERROR(ReplayLeaf(keyspace, PageNumber(run.first + i)));
    }
  }
  return absl::OkStatus();
}

// One that the allocator withholds. The next recovery would need it as well, until a checkpoint has
// made this one durable.
absl::Status WriteState::ReplayLeaf(KeyspaceState& keyspace, PageNumber number) {
  // What is appended must not lie in the mapping, or is copied piece by piece.
  const uint8_t* const page = pages_.source().read_page(number);
  const std::vector<uint8_t> copy(page, page + pages_.page_bytes());
  const page::Leaf leaf(copy.data());
  std::string key;
  for (uint32_t i = 0; i < leaf.size(); ++i) {
    const page::Payload payload = leaf.payload(i);
    if (payload.large || payload.compressed) {
      return absl::InvalidArgumentError("a leaf that nothing can have been appended to");
    }
    leaf.key(i).CopyTo(key);
    ESPALIER_RETURN_IF_ERROR(CheckKey(key));
    ESPALIER_RETURN_IF_ERROR(Append(keyspace, key, payload.bytes));
  }
  pages_.DropWithheld(number, Version(page::HeaderOf(copy.data()).birth));
  return absl::OkStatus();
}

absl::Status WriteState::Replay(absl::Span<const log::RedoReader::Operation> operations) {
  if (operations.size() > 1) LookUp(operations);
  for (const log::RedoReader::Operation& operation : operations) {
    ESPALIER_RETURN_IF_ERROR(Replay(operation));
  }
  return absl::OkStatus();
}

// What is found is of no interest, nor what is damaged: the changes will find it in the caches.
void WriteState::LookUp(absl::Span<const log::RedoReader::Operation> operations) {
  std::array<std::string_view, ReplayBatch::kTogether> keys;
  std::array<tree::Found, ReplayBatch::kTogether> found;
  size_t count = 0;
  while (count < operations.size() && count < keys.size() &&
         operations[count].keyspace == operations[0].keyspace &&
         ReplayBatch::IsOfOneKey(operations[count].kind)) {
    keys[count] = operations[count].key;
    ++count;
  }
  const absl::StatusOr<KeyspaceState*> keyspace = FindKeyspace(operations[0].keyspace);
  if (!keyspace.ok()) return;
  tree::FindMany(reader(), (*keyspace)->record.root, absl::MakeConstSpan(keys).first(count),
                 absl::MakeSpan(found).first(count));
}

}  // namespace espalier::txn
