#include "engine/txn/replay_batch.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/container/inlined_vector.h"
#include "engine/base/endian.h"
#include "engine/base/status_macros.h"
#include "engine/page/keys.h"

namespace espalier::txn {
namespace {

// The changes lie all over what is held: they are fetched so many before their turn.
constexpr size_t kAhead = 16;
constexpr size_t kCacheLineBytes = 64;

}  // namespace

std::span<const uint8_t> ReplayBatch::Hold(std::span<const uint8_t> payload) {
  if (held_bytes_ + payload.size() > held_capacity_) {
    held_capacity_ = std::max(capacity_bytes_, payload.size());
    held_ = std::make_unique_for_overwrite<uint8_t[]>(held_capacity_);
  }
  uint8_t* const copy = held_.get() + held_bytes_;
  if (!payload.empty()) std::memcpy(copy, payload.data(), payload.size());
  held_bytes_ += payload.size();
  return {copy, payload.size()};
}

void ReplayBatch::Add(const uint8_t* begin, const Operation& operation) {
  common_prefix_ =
      changes_.empty()
          ? operation.key
          : common_prefix_.substr(0, page::CommonPrefixLength(common_prefix_, operation.key));
  changes_.push_back({.keyspace = operation.keyspace,
                      .key_part = {},
                      .rest_bytes = 0,
                      .offset = static_cast<uint32_t>(begin - held_.get())});
}

ReplayBatch::KeyPart ReplayBatch::KeyPartOf(std::string_view rest) {
  std::array<char, sizeof(KeyPart)> bytes{};
  rest.copy(bytes.data(), bytes.size());
  return {LoadBE64(bytes.data()), LoadBE64(bytes.data() + sizeof(uint64_t))};
}

ReplayBatch::Operation ReplayBatch::Read(const Change& change) const {
  const std::span<const uint8_t> rest(held_.get() + change.offset, held_bytes_ - change.offset);
  return *log::RedoReader(rest, change.keyspace).Next();
}

int ReplayBatch::CompareKeys(const Change& left, const Change& right) const {
  const auto compare = [](const auto& a, const auto& b) { return a < b ? -1 : a > b ? 1 : 0; };
  if (left.keyspace != right.keyspace) return compare(left.keyspace, right.keyspace);
  if (left.key_part != right.key_part) return compare(left.key_part, right.key_part);
  // Nearly always that was all of both, and what is held need not be looked at, far apart as it is.
  if (std::max(left.rest_bytes, right.rest_bytes) <= sizeof(left.key_part)) {
    return compare(left.rest_bytes, right.rest_bytes);
  }
  return Read(left).key.compare(Read(right).key);
}

void ReplayBatch::Sort() {
  for (Change& change : changes_) {
    const std::string_view rest = Read(change).key.substr(common_prefix_.size());
    change.key_part = KeyPartOf(rest);
    change.rest_bytes = static_cast<uint32_t>(rest.size());
  }
  std::sort(changes_.begin(), changes_.end(), [this](const Change& left, const Change& right) {
    const int order = CompareKeys(left, right);
    return order != 0 ? order < 0 : left.offset < right.offset;
  });
}

absl::Status ReplayBatch::Apply(
    absl::FunctionRef<absl::Status(absl::Span<const Operation>)> apply) {
  absl::Cleanup clear = [this] { changes_.clear(); };
  Sort();
  absl::InlinedVector<Operation, kTogether> together;
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (i + kAhead < changes_.size()) {
      const uint8_t* const soon = held_.get() + changes_[i + kAhead].offset;
      __builtin_prefetch(soon);
      __builtin_prefetch(soon + kCacheLineBytes);
    }
    const Operation operation = Read(changes_[i]);
    const bool outdated = i + 1 < changes_.size() && CompareKeys(changes_[i], changes_[i + 1]) == 0;
    if (outdated && operation.kind != log::RedoKind::kPutLarge) continue;
    together.push_back(operation);
    if (together.size() == kTogether) {
      ESPALIER_RETURN_IF_ERROR(apply(together));
      together.clear();
    }
  }
  return together.empty() ? absl::OkStatus() : apply(together);
}

void ReplayBatch::Clear() {
  changes_.clear();
  held_bytes_ = 0;
}

}  // namespace espalier::txn
