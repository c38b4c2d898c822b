#include "engine/txn/replay_batch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "engine/base/endian.h"
#include "engine/base/status_macros.h"
#include "engine/page/keys.h"

namespace espalier::txn {
namespace {

// The first 8 bytes, to be compared as a number; zeros where there are fewer.
uint64_t KeyPart(std::string_view key) {
  std::array<char, sizeof(uint64_t)> bytes{};
  key.copy(bytes.data(), bytes.size());
  return LoadBE64(bytes.data());
}

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
                      .key_part = 0,
                      .offset = static_cast<uint32_t>(begin - held_.get())});
}

ReplayBatch::Operation ReplayBatch::Read(const Change& change) const {
  const std::span<const uint8_t> rest(held_.get() + change.offset, held_bytes_ - change.offset);
  return *log::RedoReader(rest, change.keyspace).Next();
}

bool ReplayBatch::Precedes(const Change& left, const Change& right) const {
  if (left.keyspace != right.keyspace) return left.keyspace < right.keyspace;
  if (left.key_part != right.key_part) return left.key_part < right.key_part;
  const int order = Read(left).key.compare(Read(right).key);
  return order != 0 ? order < 0 : left.offset < right.offset;
}

void ReplayBatch::Sort() {
  for (Change& change : changes_) {
    change.key_part = KeyPart(Read(change).key.substr(common_prefix_.size()));
  }
  std::sort(changes_.begin(), changes_.end(),
            [this](const Change& left, const Change& right) { return Precedes(left, right); });
}

absl::Status ReplayBatch::Apply(absl::FunctionRef<absl::Status(const Operation&)> apply) {
  absl::Cleanup clear = [this] { changes_.clear(); };
  Sort();
  std::optional<Operation> next;
  for (size_t i = 0; i < changes_.size(); ++i) {
    const Operation operation = next.has_value() ? *next : Read(changes_[i]);
    next.reset();
    if (i + 1 < changes_.size()) next = Read(changes_[i + 1]);
    const bool outdated =
        next.has_value() && next->keyspace == operation.keyspace && next->key == operation.key;
    if (outdated && operation.kind != log::RedoKind::kPutLarge) continue;
    ESPALIER_RETURN_IF_ERROR(apply(operation));
  }
  return absl::OkStatus();
}

void ReplayBatch::Clear() {
  changes_.clear();
  held_bytes_ = 0;
}

}  // namespace espalier::txn
