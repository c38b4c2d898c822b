// The bytes of the write-ahead log, `NAME-wal`: a header block, and behind it a ring of C bytes
// that holds the newest part of an endless stream of records.
//
//   offset  bytes
//        0   4096  header block: the header, then zeros
//     4096      C  the ring: byte p of the stream lies at 4096 + p mod C. The file ends before the
//                  ring does as long as the stream has never come so far
//
// Header, 64 bytes:
//
//        0      8  checksum: XXH3-64 of the other 56 bytes
//        8      8  magic "EspLog01"
//       16     16  UUID of the database
//       32      8  C, a multiple of 4096
//       40      8  generation of the first record, which lies at position 0 and continues the chain
//                  value 0
//       48     16  zeros
//
// Record; it begins at a multiple of 8 in the stream and may go round the end of the ring:
//
//        0      8  checksum: XXH3-64 of the bytes 8 to 31 and the payload, with a seed made of the
//                  generation and the checksum of the record before (the chain)
//        8      8  sequence: one more than that of the record before
//       16      8  version
//       24      4  payload bytes
//       28      1  kind
//       29      3  zeros
//       32         payload, padded to a multiple of 8
//
// A record follows the one before at once or, where a flush lies between them or the writer prefers
// it, at one of the next multiples of 512, the first of 4096 at the latest: no sector that a flush
// has made durable is written again. A generation's record in the next block, of 4096 bytes, comes
// before whatever else continues the chain. Records
// that were here in an earlier round of the ring, or were never acknowledged, do not continue the
// chain; and as every recovery begins a new generation, neither does what was left behind the end
// that it found.
#ifndef ESPALIER_ENGINE_LOG_FORMAT_H_
#define ESPALIER_ENGINE_LOG_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/base/types.h"
#include "engine/base/uuid.h"

namespace espalier::log {

inline constexpr uint64_t kBlockBytes = 4096;
// What a device writes at once or not at all.
inline constexpr uint64_t kSectorBytes = 512;
inline constexpr uint64_t kRecordAlignment = 8;
// Larger rings are refused: a hostile header must not make us reserve all addresses.
inline constexpr uint64_t kMaxRingBytes = uint64_t{1} << 40;
// Of those that are made.
inline constexpr uint64_t kMinRingBytes = uint64_t{1} << 20;

inline constexpr uint64_t kMaxPayloadBytes = uint64_t{1} << 31;

constexpr uint64_t RoundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct Header {
  static constexpr size_t kEncodedBytes = 64;

  Uuid uuid{};
  uint64_t ring_bytes = 0;
  uint64_t generation = 0;

  std::array<uint8_t, kEncodedBytes> Encode() const;
  // Nothing if these are not the bytes of a log's header.
  static std::optional<Header> Decode(std::span<const uint8_t> bytes);
};

enum class RecordKind : uint8_t {
  kTransaction = 1,  // payload: the operations of a transaction (redo.h)
  kCheckpoint = 2,   // a checkpoint's slot refers to this record; no payload
  kGeneration = 3,   // from here on with another generation; payload: its 8 bytes
};

struct RecordHeader {
  uint64_t checksum;
  uint64_t sequence;
  uint64_t version;
  uint32_t payload_bytes;
  uint8_t kind;
  std::array<uint8_t, 3> zeros;
};
static_assert(sizeof(RecordHeader) == 32);
static_assert(offsetof(RecordHeader, checksum) == 0);
static_assert(offsetof(RecordHeader, sequence) == 8);
static_assert(offsetof(RecordHeader, version) == 16);
static_assert(offsetof(RecordHeader, payload_bytes) == 24);
static_assert(offsetof(RecordHeader, kind) == 28);

// A place between records: what stands there must continue this.
struct LogPlace {
  LogPosition position{0};
  uint64_t generation = 0;
  uint64_t chain_value = 0;  // the checksum of the record before
  uint64_t sequence = 0;     // of the next record; 0 if it is not known
};

// `record`: a whole record, from its header to the end of its payload.
uint64_t RecordChecksum(std::span<const uint8_t> record, const LogPlace& place);

}  // namespace espalier::log

#endif  // ESPALIER_ENGINE_LOG_FORMAT_H_
