#include "engine/log/log_reader.h"

#include <algorithm>
#include <cstring>

#include "engine/base/endian.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"

namespace espalier::log {
namespace {

constexpr uint64_t kReadBytes = uint64_t{128} << 10;

}  // namespace

absl::StatusOr<std::optional<Header>> ReadHeader(const os::File& file) {
  std::array<uint8_t, Header::kEncodedBytes> bytes{};
  ESPALIER_ASSIGN_OR_RETURN(const size_t read, file.ReadAt(0, bytes));
  return Header::Decode(std::span(bytes).first(read));
}

LogReader::LogReader(const os::File* file, uint64_t ring_bytes, const LogPlace& start,
                     os::ReadFrom from)
    : file_(file), reader_(file, from), ring_bytes_(ring_bytes), place_(start) {}

absl::StatusOr<uint64_t> LogReader::Read(uint64_t position, std::span<uint8_t> buffer) {
  uint64_t done = 0;
  while (done < buffer.size()) {
    const uint64_t in_ring = (position + done) % ring_bytes_;
    const uint64_t step = std::min<uint64_t>(buffer.size() - done, ring_bytes_ - in_ring);
    ESPALIER_ASSIGN_OR_RETURN(const size_t read,
                              reader_.ReadAt(kBlockBytes + in_ring, buffer.subspan(done, step)));
    done += read;
    if (read < step) break;
  }
  return done;
}

absl::StatusOr<std::span<const uint8_t>> LogReader::Fetch(uint64_t position, uint64_t length) {
  if (!limited_) {
    ESPALIER_ASSIGN_OR_RETURN(const uint64_t file_bytes, file_->Size());
    limit_ = place_.position.value +
             std::min(ring_bytes_, file_bytes > kBlockBytes ? file_bytes - kBlockBytes : 0);
    limited_ = true;
  }
  length = position > limit_ ? 0 : std::min(length, limit_ - position);
  if (position < buffer_position_ || position + length > buffer_position_ + buffer_.size()) {
    buffer_.resize(std::min(std::max(length, kReadBytes), limit_ - std::min(position, limit_)));
    buffer_position_ = position;
    ESPALIER_ASSIGN_OR_RETURN(const uint64_t read, Read(position, buffer_));
    buffer_.resize(read);
  }
  const uint64_t offset = position - buffer_position_;
  return std::span<const uint8_t>(buffer_).subspan(
      offset, std::min<uint64_t>(length, buffer_.size() - offset));
}

absl::StatusOr<std::optional<LogReader::Record>> LogReader::ReadAt(
    LogPosition position, std::optional<RecordKind> only_kind) {
  ESPALIER_ASSIGN_OR_RETURN(std::span<const uint8_t> bytes,
                            Fetch(position.value, sizeof(RecordHeader)));
  if (bytes.size() < sizeof(RecordHeader)) return std::nullopt;
  RecordHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (place_.sequence != 0 && header.sequence != place_.sequence) return std::nullopt;
  if (only_kind.has_value() && header.kind != static_cast<uint8_t>(*only_kind)) return std::nullopt;
  const uint64_t record_bytes = sizeof(header) + uint64_t{header.payload_bytes};
  if (position.value + record_bytes > limit_) return std::nullopt;
  ESPALIER_ASSIGN_OR_RETURN(bytes, Fetch(position.value, record_bytes));
  if (bytes.size() < record_bytes) return std::nullopt;
  if (RecordChecksum(bytes, place_) != header.checksum && !IsMutant(Mutant::kNoRecordChecksum)) {
    if (!IsMutant(Mutant::kReplayPastBadRecord)) return std::nullopt;
    header.kind = static_cast<uint8_t>(RecordKind::kCheckpoint);
  }
  Record record;
  record.position = position;
  record.kind = static_cast<RecordKind>(header.kind);
  record.version = Version(header.version);
  record.payload = bytes.subspan(sizeof(header));
  if (record.kind == RecordKind::kGeneration) {
    if (record.payload.size() != sizeof(uint64_t)) return std::nullopt;
    place_.generation = LoadLE64(record.payload.data());
  }
  place_.position = LogPosition(position.value + RoundUp(record_bytes, kRecordAlignment));
  place_.chain_value = header.checksum;
  place_.sequence = header.sequence + 1;
  return record;
}

absl::StatusOr<std::optional<LogReader::Record>> LogReader::Next() {
  const LogPosition here = place_.position;
  const LogPosition next_block(RoundUp(here.value, kBlockBytes));
  std::optional<Record> record;
  if (next_block != here) {
    // A recovery that ended the log here, before a record whose large values are not there, goes on
    // in the next block; what it left behind still continues the chain.
    ESPALIER_ASSIGN_OR_RETURN(record, ReadAt(next_block, RecordKind::kGeneration));
  }
  if (!record.has_value()) {
    ESPALIER_ASSIGN_OR_RETURN(record, ReadAt(here, std::nullopt));
  }
  for (uint64_t sector = RoundUp(here.value + 1, kSectorBytes);
       !record.has_value() && sector <= next_block.value; sector += kSectorBytes) {
    ESPALIER_ASSIGN_OR_RETURN(record, ReadAt(LogPosition(sector), std::nullopt));
  }
  return record;
}

}  // namespace espalier::log
