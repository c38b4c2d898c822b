#include "engine/log/log_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/catch_bad_alloc.h"
#include "engine/base/endian.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/os/directory.h"

namespace espalier::log {
namespace {

// The ring comes to have bytes of its own in such steps: blocks that were written before can be
// written again without the file system's journal.
constexpr uint64_t kGrowthBytes = uint64_t{1} << 20;
// So far the file is ahead of the transactions, so that a full disk does not stop the checkpoint
// that would help.
constexpr uint64_t kAheadBytes = 16 * kBlockBytes;
// Pages are made ready for stores in such steps: whole ones are overwritten with zeros, or the
// first store to each would wait for the device to read it.
constexpr uint64_t kWindowBytes = uint64_t{256} << 10;
// A record as large as this is not worth it: one call writes it into the page cache.
constexpr uint64_t kWrittenAtOnceBytes = uint64_t{32} << 10;

}  // namespace

void LogWriter::Blocks::Reserve(uint64_t used, uint64_t needed) {
  if (needed <= capacity) return;
  const uint64_t larger = std::max(std::bit_ceil(needed), uint64_t{64} << 10);
  std::unique_ptr<uint8_t, FreeMemory> fresh(
      static_cast<uint8_t*>(std::aligned_alloc(kBlockBytes, larger)));
  if (fresh == nullptr) throw std::bad_alloc();
  if (used > 0) std::memcpy(fresh.get(), bytes.get(), used);
  bytes = std::move(fresh);
  capacity = larger;
}

LogWriter::LogWriter(os::File file, uint64_t ring_bytes, const LogPlace& place,
                     LogPosition needed_from, Callbacks callbacks)
    : file_(std::move(file)),
      ring_bytes_(ring_bytes),
      callbacks_(std::move(callbacks)),
      tail_(place),
      needed_from_(needed_from.value),
      newest_checkpoint_(needed_from),
      durable_(place.position.value) {
  mapped_begin_ = mapped_end_ = blocks_begin_ = blocks_end_ = prepared_ = place.position.value;
}

absl::Status LogWriter::Map() {
  ESPALIER_ASSIGN_OR_RETURN(
      mapping_, os::Mapping::Map(file_, kBlockBytes + ring_bytes_, os::Access::kReadWrite,
                                 /*separate_read_view=*/false));
  // Where there is no such thing, or only for larger blocks, the mapping does for all.
  absl::StatusOr<os::File> direct = file_.OpenDirect();
  if (direct.ok() && direct->DirectAlignment() <= kBlockBytes) {
    direct_.emplace(*std::move(direct));
    direct_alignment_ = direct_->DirectAlignment();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LogWriter>> LogWriter::Create(const std::string& path,
                                                             const Uuid& uuid, uint64_t ring_bytes,
                                                             const Callbacks& callbacks) {
  ring_bytes = RoundUp(std::clamp(ring_bytes, kMinRingBytes, kMaxRingBytes), kBlockBytes);
  // Under another name until it is whole (as INV-14 has it for the database).
  ESPALIER_ASSIGN_OR_RETURN(const std::string temporary, os::TemporaryNameBeside(path));
  ESPALIER_ASSIGN_OR_RETURN(os::File file, os::File::CreateExclusive(temporary));
  absl::Cleanup discard = [&] { os::Discard(temporary); };
  std::unique_ptr<LogWriter> log;
  LogPlace place;
  place.generation = NewNonce();
  place.sequence = 1;
  while (true) {
    log.reset(new LogWriter(std::move(file), ring_bytes, place, place.position, callbacks));
    const absl::Status mapped = log->Map();
    if (mapped.ok()) break;
    if (!absl::IsResourceExhausted(mapped) || ring_bytes / 2 < kMinRingBytes) return mapped;
    ring_bytes = RoundUp(ring_bytes / 2, kBlockBytes);
    file = std::move(log->file_);
  }
  std::vector<uint8_t> block(kBlockBytes);
  const auto header = Header{uuid, ring_bytes, place.generation}.Encode();
  std::copy(header.begin(), header.end(), block.begin());
  ESPALIER_RETURN_IF_ERROR(log->file_.WriteAt(0, block));
  {
    MutexLock lock(&log->mutex_);
    ESPALIER_RETURN_IF_ERROR(log->PrepareDirect(1));
  }
  ESPALIER_RETURN_IF_ERROR(log->file_.SyncAll());
  ESPALIER_RETURN_IF_ERROR(os::RenameReplacing(temporary, path));
  std::move(discard).Cancel();
  log->file_.set_path(path);
  log->mapping_->set_path(path);
  if (log->direct_.has_value()) log->direct_->set_path(path);
  if (!IsMutant(Mutant::kSkipLogDirectoryFlush)) {
    ESPALIER_RETURN_IF_ERROR(os::SyncDirectoryOf(path));
  }
  return log;
}

absl::StatusOr<std::unique_ptr<LogWriter>> LogWriter::Continue(os::File file, uint64_t ring_bytes,
                                                               const LogPlace& place,
                                                               LogPosition needed_from,
                                                               Callbacks callbacks) {
  // What was read may have been only cached.
  if (!IsMutant(Mutant::kSkipFoundLogFlush)) ESPALIER_RETURN_IF_ERROR(file.SyncAll());
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t file_bytes, file.Size());
  std::unique_ptr<LogWriter> log(
      new LogWriter(std::move(file), ring_bytes, place, needed_from, std::move(callbacks)));
  ESPALIER_RETURN_IF_ERROR(log->Map());
  MutexLock lock(&log->mutex_);
  log->written_bytes_ = std::min(
      ring_bytes, file_bytes > kBlockBytes ? RoundUp(file_bytes - kBlockBytes, kBlockBytes) : 0);
  log->grown_from_ = log->written_bytes_;
  return log;
}

template <typename Function>
absl::Status LogWriter::ForEachPart(uint64_t position, uint64_t length, Function function) const {
  for (uint64_t done = 0; done < length;) {
    const uint64_t in_ring = (position + done) % ring_bytes_;
    const uint64_t step = std::min(length - done, ring_bytes_ - in_ring);
    ESPALIER_RETURN_IF_ERROR(function(kBlockBytes + in_ring, step, done));
    done += step;
  }
  return absl::OkStatus();
}

// Block by block: the page cache keeps in one piece what came by one write, and a store into any of
// it would have all of it written, blocks that were acknowledged included.
absl::Status LogWriter::WriteZeros(uint64_t offset, uint64_t length) {
  for (uint64_t done = 0; done < length; done += kBlockBytes) {
    ESPALIER_RETURN_IF_ERROR(file_.WriteZeros(offset + done, std::min(length - done, kBlockBytes)));
  }
  return absl::OkStatus();
}

// In the first round of the ring the file grows with it.
absl::Status LogWriter::Grow(uint64_t end) {
  const uint64_t needed = std::min(end, ring_bytes_);
  if (needed <= written_bytes_) return absl::OkStatus();
  uint64_t grown = std::min(RoundUp(needed, kGrowthBytes), ring_bytes_);
  const uint64_t from = written_bytes_;
  const auto grow = [&] { return WriteZeros(kBlockBytes + from, grown - from); };
  absl::Status status = grow();
  if (absl::IsResourceExhausted(status) && grown > needed) {
    grown = needed;
    status = grow();
  }
  ESPALIER_RETURN_IF_ERROR(status);
  written_bytes_ = grown;
  growth_is_flushed_ = false;
  return absl::OkStatus();
}

absl::Status LogWriter::PrepareDirect(uint64_t end) {
  ESPALIER_RETURN_IF_ERROR(Grow(end));
  // Or each write would have a part of the growth to make durable. Not beside another flush of the
  // file: what it would have reported could be reported to this one (INV-9).
  if (growth_is_flushed_ || flushing_) return absl::OkStatus();
  const absl::Status status = CatchBadAlloc([&] { return file_.SyncData(); });
  if (!status.ok()) return error_ = status;
  growth_is_flushed_ = true;
  return absl::OkStatus();
}

absl::Status LogWriter::PrepareMapped(uint64_t end) {
  while (prepared_ < end) {
    // Not the block that the tail lies in, unless a flush has ended it.
    const uint64_t begin = RoundUp(std::max(prepared_, tail_.position.value), kBlockBytes);
    // What is still needed lies a whole round behind.
    const uint64_t limit = needed_from_ / kBlockBytes * kBlockBytes + ring_bytes_;
    const uint64_t window_end = std::min(begin + kWindowBytes, limit);
    ESPALIER_RETURN_IF_ERROR(Grow(window_end));
    // In the first round it has just grown there.
    const bool cached = begin >= grown_from_ && window_end <= ring_bytes_;
    ESPALIER_RETURN_IF_ERROR(
        ForEachPart(begin, window_end - begin, [&](uint64_t offset, uint64_t length, uint64_t) {
          if (!cached) ESPALIER_RETURN_IF_ERROR(WriteZeros(offset, length));
          // Only saves time: what it cannot do, the first store to the page does.
          mapping_->PopulateWrite(offset, length).IgnoreError();
          return absl::OkStatus();
        }));
    prepared_ = window_end;
  }
  return absl::OkStatus();
}

absl::Status LogWriter::Store(uint64_t position, std::span<const uint8_t> bytes) {
  ESPALIER_RETURN_IF_ERROR(PrepareMapped(position + bytes.size()));
  ESPALIER_RETURN_IF_ERROR(
      ForEachPart(position, bytes.size(), [&](uint64_t offset, uint64_t length, uint64_t done) {
        std::memcpy(mapping_->write_base() + offset, bytes.data() + done, length);
        return absl::OkStatus();
      }));
  if (!mapping_->faulted() || IsMutant(Mutant::kLogWhatFaulted)) return absl::OkStatus();
  return error_ = absl::DataLossError(
             absl::StrCat(path(), ": the file gave no page for the record at ", position,
                          " (truncated by another program, or a failing disk)"));
}

absl::Status LogWriter::WriteAtOnce(uint64_t position, std::span<const uint8_t> bytes) {
  // Whole blocks only: one that is overwritten in part would be read first.
  std::array<uint8_t, kBlockBytes> last_block{};
  const auto last = bytes.last(bytes.size() % kBlockBytes);
  std::copy(last.begin(), last.end(), last_block.begin());
  const auto whole = bytes.first(bytes.size() - last.size());
  ESPALIER_RETURN_IF_ERROR(WriteBlocks(file_, position, whole));
  if (!last.empty()) {
    ESPALIER_RETURN_IF_ERROR(WriteBlocks(file_, position + whole.size(), last_block));
  }
  prepared_ = std::max(prepared_, RoundUp(position + bytes.size(), kBlockBytes));
  return absl::OkStatus();
}

absl::Status LogWriter::WriteBlocks(os::File& file, uint64_t position,
                                    std::span<const uint8_t> blocks) {
  return ForEachPart(position, blocks.size(), [&](uint64_t offset, uint64_t length, uint64_t done) {
    return file.WriteAt(offset, blocks.subspan(done, length));
  });
}

absl::Status LogWriter::SyncMapped(uint64_t begin, uint64_t end) {
  return ForEachPart(begin, end - begin, [&](uint64_t offset, uint64_t length, uint64_t) {
    if (length >= kWindowBytes) mapping_->DropTranslations(offset, length);
    return mapping_->Sync(offset, length);
  });
}

uint64_t LogWriter::KeptFor(RecordKind kind) const {
  switch (kind) {
    case RecordKind::kTransaction:
      return reserved_bytes();
    case RecordKind::kGeneration:
      return kBlockBytes;
    case RecordKind::kCheckpoint:
      break;
  }
  return 0;
}

absl::StatusOr<LogWriter::Appended> LogWriter::AppendLocked(RecordKind kind, Version version,
                                                            std::span<uint8_t> record,
                                                            bool flush_follows, bool at_block) {
  ESPALIER_RETURN_IF_ERROR(error_);
  if (record.size() - sizeof(RecordHeader) > kMaxPayloadBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path(), ": a record of ", record.size(), " bytes"));
  }
  const bool collecting = blocks_begin_ != blocks_end_;
  const bool mapped_waits = mapped_begin_ != mapped_end_;
  const bool direct = collecting || (flush_follows && !mapped_waits && direct_.has_value());
  const bool at_once = !direct && record.size() >= kWrittenAtOnceBytes;
  // What is durable is not written again, and what one way writes is no page that the other one
  // has written to.
  uint64_t alignment = kRecordAlignment;
  if (direct && !collecting && !IsMutant(Mutant::kShareFlushedBlock)) alignment = direct_alignment_;
  if ((begin_block_ && !direct) || at_block || at_once || direct != tail_is_direct_) {
    alignment = kBlockBytes;
  }
  LogPlace place = tail_;
  place.position = LogPosition(RoundUp(place.position.value, alignment));
  const uint64_t begin = place.position.value;
  const uint64_t end = begin + RoundUp(record.size(), kRecordAlignment);
  const uint64_t limit = needed_from_ / kBlockBytes * kBlockBytes + ring_bytes_ - KeptFor(kind);
  if (RoundUp(end, kBlockBytes) > limit) {
    return absl::ResourceExhaustedError(absl::StrCat(path(), ": the log is full"));
  }
  const uint64_t grown =
      RoundUp(end, kBlockBytes) + (kind == RecordKind::kTransaction ? kAheadBytes : 0);
  ESPALIER_RETURN_IF_ERROR(direct ? PrepareDirect(grown) : Grow(grown));

  RecordHeader header{};
  header.sequence = place.sequence;
  header.version = version.value;
  header.payload_bytes = static_cast<uint32_t>(record.size() - sizeof(header));
  header.kind = static_cast<uint8_t>(kind);
  std::memcpy(record.data(), &header, sizeof(header));
  header.checksum = RecordChecksum(record, place);
  StoreLE64(record.data(), header.checksum);

  if (direct) {
    if (!collecting) blocks_begin_ = blocks_end_ = begin / direct_alignment_ * direct_alignment_;
    const uint64_t used = blocks_end_ - blocks_begin_;
    const uint64_t needed = RoundUp(end, direct_alignment_) - blocks_begin_;
    blocks_.Reserve(used, needed);
    uint8_t* const blocks = blocks_.bytes.get();
    std::memset(blocks + used, 0, begin - blocks_begin_ - used);
    std::memcpy(blocks + (begin - blocks_begin_), record.data(), record.size());
    const uint64_t written = begin - blocks_begin_ + record.size();
    std::memset(blocks + written, 0, needed - written);
    blocks_end_ = end;
    prepared_ = RoundUp(end, kBlockBytes);
  } else {
    ESPALIER_RETURN_IF_ERROR(at_once ? WriteAtOnce(begin, record) : Store(begin, record));
    if (!mapped_waits) mapped_begin_ = begin;
    mapped_end_ = end;
  }
  tail_.position = LogPosition(end);
  tail_.chain_value = header.checksum;
  tail_.sequence = header.sequence + 1;
  if (kind != RecordKind::kCheckpoint) logged_until_ = version;
  begin_block_ = false;
  tail_is_direct_ = direct;
  return Appended{place, LogPosition(end), newest_checkpoint_,
                  !direct || IsMutant(Mutant::kAsyncInMemory)};
}

absl::StatusOr<LogWriter::Appended> LogWriter::Append(RecordKind kind, Version version,
                                                      std::span<uint8_t> record,
                                                      bool flush_follows) {
  MutexLock lock(&mutex_);
  return AppendLocked(kind, version, record, flush_follows, /*at_block=*/false);
}

absl::StatusOr<LogWriter::Appended> LogWriter::AppendCheckpoint(Version version) {
  std::array<uint8_t, sizeof(RecordHeader)> record{};
  MutexLock lock(&mutex_);
  ESPALIER_ASSIGN_OR_RETURN(const Appended appended,
                            AppendLocked(RecordKind::kCheckpoint, version, record,
                                         /*flush_follows=*/true, /*at_block=*/true));
  newest_checkpoint_ = appended.before.position;
  return appended;
}

absl::StatusOr<LogWriter::Appended> LogWriter::AppendGeneration(Version version) {
  std::array<uint8_t, sizeof(RecordHeader) + sizeof(uint64_t)> record{};
  const uint64_t generation = NewNonce();
  StoreLE64(record.data() + sizeof(RecordHeader), generation);
  MutexLock lock(&mutex_);
  ESPALIER_ASSIGN_OR_RETURN(const Appended appended,
                            AppendLocked(RecordKind::kGeneration, version, record,
                                         /*flush_follows=*/true, /*at_block=*/true));
  tail_.generation = generation;
  return appended;
}

absl::Status LogWriter::Flush(LogPosition end) {
  uint64_t target;
  Version version;
  uint64_t mapped_begin;
  uint64_t mapped_end;
  uint64_t blocks_begin;
  uint64_t blocks_bytes;
  {
    MutexLock lock(&mutex_);
    while (true) {
      if (durable_ >= end.value) return absl::OkStatus();
      ESPALIER_RETURN_IF_ERROR(error_);
      if (!flushing_) break;
      flushed_.Wait(&mutex_);
    }
    flushing_ = true;
    target = tail_.position.value;
    version = logged_until_;
    mapped_begin = std::exchange(mapped_begin_, mapped_end_);
    mapped_end = mapped_end_;
    blocks_begin = std::exchange(blocks_begin_, blocks_end_);
    blocks_bytes = RoundUp(blocks_end_ - blocks_begin, direct_alignment_);
    std::swap(blocks_, spare_);
    begin_block_ = true;
    if (IsMutant(Mutant::kAcknowledgeFollowersEarly)) durable_ = target;
  }
  const auto begin = std::chrono::steady_clock::now();
  const absl::Status status = CatchBadAlloc([&] {
    if (!IsMutant(Mutant::kSkipRunFlush)) ESPALIER_RETURN_IF_ERROR(callbacks_.before_flush());
    if (mapped_begin != mapped_end) ESPALIER_RETURN_IF_ERROR(SyncMapped(mapped_begin, mapped_end));
    if (blocks_bytes == 0) return absl::OkStatus();
    return WriteBlocks(*direct_, blocks_begin, {spare_.bytes.get(), blocks_bytes});
  });
  if (status.ok()) callbacks_.on_durable(version);
  {
    MutexLock lock(&mutex_);
    flushing_ = false;
    flush_latency_.Add(std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - begin));
    if (status.ok()) {
      durable_ = target;
    } else {
      error_ = status;
    }
  }
  // Whoever wakes up wants the mutex.
  flushed_.NotifyAll();
  return status;
}

absl::Status LogWriter::FlushCheckpoint(LogPosition begin, LogPosition end) {
  bool mapped;
  {
    MutexLock lock(&mutex_);
    // One at a time: the kernel could report the failure of one flush to the other (INV-9).
    while (flushing_) flushed_.Wait(&mutex_);
    ESPALIER_RETURN_IF_ERROR(error_);
    mapped = mapped_begin_ <= begin.value && end.value <= mapped_end_;
    flushing_ = mapped;
    // Nothing more is stored to the block of the record.
    if (mapped && !IsMutant(Mutant::kShareCheckpointBlock)) begin_block_ = true;
  }
  if (!mapped) return Flush(end);
  const absl::Status status = CatchBadAlloc([&] { return SyncMapped(begin.value, end.value); });
  {
    MutexLock lock(&mutex_);
    flushing_ = false;
    if (!status.ok()) error_ = status;
  }
  flushed_.NotifyAll();
  return status;
}

void LogWriter::AwaitFlush() const {
  MutexLock lock(&mutex_);
  const uint64_t ended = flush_latency_.count();
  while (flushing_ && flush_latency_.count() == ended) flushed_.Wait(&mutex_);
}

LogPosition LogWriter::end() const {
  MutexLock lock(&mutex_);
  return tail_.position;
}

void LogWriter::Recycle(LogPosition position) {
  MutexLock lock(&mutex_);
  needed_from_ = std::max(needed_from_, position.value);
  durable_ = std::max(durable_, position.value);
  mapped_begin_ = std::min(std::max(mapped_begin_, position.value), mapped_end_);
}

uint64_t LogWriter::used_bytes() const {
  MutexLock lock(&mutex_);
  return tail_.position.value - needed_from_;
}

bool LogWriter::HasRoom(uint64_t besides) const {
  return besides + used_bytes() + max_payload_bytes() + reserved_bytes() + 2 * kBlockBytes <=
         ring_bytes_;
}

Version LogWriter::logged_until() const {
  MutexLock lock(&mutex_);
  return logged_until_;
}

absl::Status LogWriter::status() const {
  MutexLock lock(&mutex_);
  return error_;
}

LatencyHistogram LogWriter::flush_latency() const {
  MutexLock lock(&mutex_);
  return flush_latency_;
}

}  // namespace espalier::log
