#include "engine/log/redo.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/base/checksum.h"
#include "engine/base/endian.h"

namespace espalier::log {
namespace {

constexpr size_t kMaxVarintBytes = 10;

uint8_t* StoreVarint(uint8_t* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<uint8_t>(value);
  return to;
}

uint8_t* StoreBytes(uint8_t* to, const void* bytes, size_t size) {
  if (size > 0) std::memcpy(to, bytes, size);
  return to + size;
}

uint8_t* StoreString(uint8_t* to, std::string_view string) {
  return StoreBytes(StoreVarint(to, string.size()), string.data(), string.size());
}

// Takes a number from the front of `rest`.
std::optional<uint64_t> ReadVarint(std::span<const uint8_t>& rest) {
  uint64_t value = 0;
  for (uint32_t shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const uint8_t byte = rest.front();
    rest = rest.subspan(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return std::nullopt;
}

}  // namespace

uint64_t ChecksumOfLeaves(std::span<const uint64_t> checksums) {
  return Checksum(reinterpret_cast<const uint8_t*>(checksums.data()), checksums.size_bytes(), 0);
}

std::optional<std::vector<PageRun>> DecodeLeafRuns(std::string_view argument) {
  std::vector<PageRun> runs;
  std::span rest(reinterpret_cast<const uint8_t*>(argument.data()), argument.size());
  while (!rest.empty()) {
    const std::optional<uint64_t> first_page = ReadVarint(rest);
    const std::optional<uint64_t> pages = ReadVarint(rest);
    if (!first_page.has_value() || !pages.has_value()) return std::nullopt;
    runs.push_back({*first_page, *pages});
  }
  return runs;
}

void RedoBuffer::Clear() {
  size_ = sizeof(RecordHeader);
  keyspace_ = 0;
}

uint8_t* RedoBuffer::Grow(size_t bytes) {
  if (size_ + bytes > capacity_) {
    const size_t larger = std::max(2 * capacity_, size_ + bytes);
    auto fresh = std::make_unique_for_overwrite<uint8_t[]>(larger);
    if (capacity_ > 0) std::memcpy(fresh.get(), bytes_.get(), size_);
    bytes_ = std::move(fresh);
    capacity_ = larger;
  }
  return bytes_.get() + size_;
}

uint8_t* RedoBuffer::Begin(uint64_t keyspace, RedoKind kind, size_t argument_bytes) {
  uint8_t* to = Grow(2 + 3 * kMaxVarintBytes + argument_bytes);
  if (keyspace != keyspace_) {
    keyspace_ = keyspace;
    *to++ = static_cast<uint8_t>(RedoKind::kInKeyspace);
    to = StoreVarint(to, keyspace);
  }
  *to++ = static_cast<uint8_t>(kind);
  return to;
}

void RedoBuffer::Put(uint64_t keyspace, std::string_view key, std::string_view value) {
  uint8_t* to = Begin(keyspace, RedoKind::kPut, key.size() + value.size());
  to = StoreString(StoreString(to, key), value);
  size_ = static_cast<size_t>(to - bytes_.get());
}

void RedoBuffer::PutLarge(uint64_t keyspace, std::string_view key,
                          std::span<const uint8_t> reference) {
  uint8_t* to = Begin(keyspace, RedoKind::kPutLarge, key.size() + reference.size());
  to = StoreBytes(StoreString(to, key), reference.data(), reference.size());
  size_ = static_cast<size_t>(to - bytes_.get());
}

void RedoBuffer::Delete(uint64_t keyspace, std::string_view key) {
  uint8_t* to = Begin(keyspace, RedoKind::kDelete, key.size());
  to = StoreString(to, key);
  size_ = static_cast<size_t>(to - bytes_.get());
}

void RedoBuffer::DeleteRange(uint64_t keyspace, std::string_view begin,
                             std::optional<std::string_view> end) {
  const size_t argument_bytes = begin.size() + (end.has_value() ? end->size() : 0);
  uint8_t* to = Begin(keyspace, end.has_value() ? RedoKind::kDeleteRange : RedoKind::kDeleteFrom,
                      argument_bytes);
  to = StoreString(to, begin);
  if (end.has_value()) to = StoreString(to, *end);
  size_ = static_cast<size_t>(to - bytes_.get());
}

void RedoBuffer::Create(uint64_t keyspace, uint32_t compress_from, std::string_view name) {
  uint8_t* to = Begin(keyspace_, RedoKind::kCreate, name.size());
  to = StoreString(StoreVarint(StoreVarint(to, keyspace), compress_from), name);
  size_ = static_cast<size_t>(to - bytes_.get());
}

void RedoBuffer::Drop(uint64_t keyspace) {
  uint8_t* const to = Begin(keyspace, RedoKind::kDrop, 0);
  size_ = static_cast<size_t>(to - bytes_.get());
}

void RedoBuffer::Rename(uint64_t keyspace, std::string_view name) {
  uint8_t* to = Begin(keyspace, RedoKind::kRename, name.size());
  to = StoreString(to, name);
  size_ = static_cast<size_t>(to - bytes_.get());
}

void RedoBuffer::AppendLeaves(uint64_t keyspace, std::span<const PageRun> runs, uint64_t checksum) {
  std::vector<uint8_t> argument(runs.size() * 2 * kMaxVarintBytes);
  uint8_t* end = argument.data();
  for (const PageRun& run : runs) end = StoreVarint(StoreVarint(end, run.first), run.count);
  argument.resize(static_cast<size_t>(end - argument.data()));
  uint8_t* to = Begin(keyspace, RedoKind::kAppendLeaves, argument.size() + kLeavesChecksumBytes);
  to = StoreBytes(StoreVarint(to, argument.size()), argument.data(), argument.size());
  StoreLE64(to, checksum);
  to += kLeavesChecksumBytes;
  size_ = static_cast<size_t>(to - bytes_.get());
}

std::optional<std::string_view> RedoReader::Bytes(uint64_t length) {
  if (length > rest_.size()) return std::nullopt;
  const std::string_view bytes(reinterpret_cast<const char*>(rest_.data()), length);
  rest_ = rest_.subspan(length);
  return bytes;
}

std::optional<std::string_view> RedoReader::String() {
  const std::optional<uint64_t> length = ReadVarint(rest_);
  return length.has_value() ? Bytes(*length) : std::nullopt;
}

std::optional<RedoReader::Operation> RedoReader::ReadArguments(RedoKind kind) {
  Operation operation{.kind = kind, .keyspace = keyspace_, .key = {}, .value = {}};
  if (kind == RedoKind::kDrop) return operation;
  if (kind == RedoKind::kCreate) {
    const std::optional<uint64_t> id = ReadVarint(rest_);
    const std::optional<uint64_t> compress_from = ReadVarint(rest_);
    if (!id.has_value() || !compress_from.has_value() ||
        *compress_from > std::numeric_limits<uint32_t>::max()) {
      return std::nullopt;
    }
    operation.keyspace = *id;
    operation.compress_from = static_cast<uint32_t>(*compress_from);
  }
  const std::optional<std::string_view> first = String();
  if (!first.has_value()) return std::nullopt;
  operation.key = *first;
  std::optional<std::string_view> second = "";
  if (kind == RedoKind::kPut || kind == RedoKind::kDeleteRange) second = String();
  if (kind == RedoKind::kPutLarge) second = Bytes(kLargeRefBytes);
  if (kind == RedoKind::kAppendLeaves) second = Bytes(kLeavesChecksumBytes);
  if (!second.has_value()) return std::nullopt;
  operation.value = *second;
  return operation;
}

std::optional<RedoReader::Operation> RedoReader::Next() {
  while (!rest_.empty() && !malformed_) {
    const auto kind = static_cast<RedoKind>(rest_.front());
    rest_ = rest_.subspan(1);
    if (kind == RedoKind::kInKeyspace) {
      const std::optional<uint64_t> id = ReadVarint(rest_);
      malformed_ = !id.has_value();
      keyspace_ = id.value_or(0);
      continue;
    }
    std::optional<Operation> operation;
    if (kind >= RedoKind::kPut && kind <= RedoKind::kAppendLeaves) operation = ReadArguments(kind);
    malformed_ = !operation.has_value();
    return operation;
  }
  return std::nullopt;
}

}  // namespace espalier::log
