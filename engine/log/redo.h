// What a transaction did, in the words of the API: the payload of a transaction's record. To replay
// it is to do the same again.
//
// A payload is a sequence of operations, each one byte and its arguments. Numbers are LEB128
// varints (7 bits a byte, least significant first), strings a varint of their length and their
// bytes.
//
//   byte  operation     arguments
//      1  put           key, value
//      2  put large     key, reference to a large value (40 bytes as in the leaf): the run is there
//      3  delete        key
//      4  delete range  begin ("": from the first), end
//      5  delete from   begin: to the last
//      6  in keyspace   id: what the following operations are about; 0 at first
//      7  create        id, compress-from, name
//      8  drop
//      9  rename        name
//     10  append leaves runs of leaves, as a string of numbers: first page and pages in turn;
//                       XXH3-64 of their checksums (8 bytes, little-endian, as those are)
#ifndef ESPALIER_ENGINE_LOG_REDO_H_
#define ESPALIER_ENGINE_LOG_REDO_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/types.h"
#include "engine/log/format.h"

namespace espalier::log {

enum class RedoKind : uint8_t {
  kPut = 1,
  kPutLarge = 2,
  kDelete = 3,
  kDeleteRange = 4,
  kDeleteFrom = 5,
  kInKeyspace = 6,
  kCreate = 7,
  kDrop = 8,
  kRename = 9,
  kAppendLeaves = 10,
};

inline constexpr size_t kLargeRefBytes = 40;
inline constexpr size_t kLeavesChecksumBytes = 8;

// Pages that are each a leaf which the transaction filled by appending to the keyspace, and which
// is there as it was when it committed. Nothing if the argument of an operation is none. The
// numbers may be anything.
std::optional<std::vector<PageRun>> DecodeLeafRuns(std::string_view argument);
// So that no other leaves of the same version and pages are mistaken for them: the version may have
// been lost, or rolled back, and made again.
uint64_t ChecksumOfLeaves(std::span<const uint64_t> checksums);

// Collects operations behind room for a record's header. One thread.
class RedoBuffer {
 public:
  RedoBuffer() = default;
  RedoBuffer(RedoBuffer&& other) noexcept { *this = std::move(other); }
  RedoBuffer& operator=(RedoBuffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    capacity_ = std::exchange(other.capacity_, 0);
    size_ = std::exchange(other.size_, sizeof(RecordHeader));
    keyspace_ = std::exchange(other.keyspace_, 0);
    return *this;
  }

  void Put(uint64_t keyspace, std::string_view key, std::string_view value);
  void PutLarge(uint64_t keyspace, std::string_view key, std::span<const uint8_t> reference);
  void Delete(uint64_t keyspace, std::string_view key);
  void DeleteRange(uint64_t keyspace, std::string_view begin, std::optional<std::string_view> end);
  void Create(uint64_t keyspace, uint32_t compress_from, std::string_view name);
  void Drop(uint64_t keyspace);
  void Rename(uint64_t keyspace, std::string_view name);
  void AppendLeaves(uint64_t keyspace, std::span<const PageRun> runs, uint64_t checksum);

  void Clear();
  bool empty() const { return size_ == sizeof(RecordHeader); }
  size_t capacity() const { return capacity_; }
  size_t payload_bytes() const { return size_ - sizeof(RecordHeader); }
  // Room for the header and the payload. Until the next call.
  std::span<uint8_t> record() { return {Grow(0) - size_, size_}; }

 private:
  // Room for `bytes` more, at the end.
  uint8_t* Grow(size_t bytes);
  uint8_t* Begin(uint64_t keyspace, RedoKind kind, size_t argument_bytes);

  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = sizeof(RecordHeader);
  uint64_t keyspace_ = 0;
};

// Reads operations one by one. Any bytes are safe.
class RedoReader {
 public:
  // `keyspace`: what the operations are about where they do not say.
  explicit RedoReader(std::span<const uint8_t> payload, uint64_t keyspace = 0)
      : rest_(payload), keyspace_(keyspace) {}

  struct Operation {
    RedoKind kind;  // never kInKeyspace
    uint64_t keyspace;
    std::string_view key;    // also: begin of a range; name; runs of leaves
    std::string_view value;  // also: end of a range; reference to a large value; leaves' checksum
    uint32_t compress_from = 0;
  };

  // Nothing at the end, and at what is no operation; malformed() then tells which.
  std::optional<Operation> Next();
  bool malformed() const { return malformed_; }
  // Where Next() goes on.
  const uint8_t* position() const { return rest_.data(); }

 private:
  std::optional<std::string_view> String();
  std::optional<std::string_view> Bytes(uint64_t length);
  std::optional<Operation> ReadArguments(RedoKind kind);

  std::span<const uint8_t> rest_;
  uint64_t keyspace_;
  bool malformed_ = false;
};

}  // namespace espalier::log

#endif  // ESPALIER_ENGINE_LOG_REDO_H_
