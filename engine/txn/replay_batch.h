// Changes of single keys, collected from the log and applied in the order of the keys: whatever
// order they came in, each page is found, copied and changed once, and its neighbours come next.
#ifndef ESPALIER_ENGINE_TXN_REPLAY_BATCH_H_
#define ESPALIER_ENGINE_TXN_REPLAY_BATCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/log/redo.h"

namespace espalier::txn {

class ReplayBatch {
 public:
  using Operation = log::RedoReader::Operation;

  // For `capacity_bytes` of payloads, or a single one that is larger.
  explicit ReplayBatch(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // Whether the operation concerns one key, and may change its place with those of other keys.
  static bool IsOfOneKey(log::RedoKind kind) {
    return kind == log::RedoKind::kPut || kind == log::RedoKind::kPutLarge ||
           kind == log::RedoKind::kDelete;
  }

  bool HasRoom(size_t payload_bytes) const {
    return held_bytes_ + payload_bytes <= capacity_bytes_;
  }
  // Keeps a copy of a payload, whose operations may then be added. Without room, only where nothing
  // is held.
  std::span<const uint8_t> Hold(std::span<const uint8_t> payload);
  // Adds the operation that a reader of what is held found at `begin`. IsOfOneKey() only.
  void Add(const uint8_t* begin, const Operation& operation);

  size_t size() const { return changes_.size(); }
  // Calls `apply` for the changes in the order of keyspaces, keys, and time, up to `kTogether` at
  // once, until an error. Those that a later one outdates are left out, but for large values: what
  // they occupy is to be freed. Afterwards no operation is left, and what is held stays.
  static constexpr size_t kTogether = 32;
  absl::Status Apply(absl::FunctionRef<absl::Status(absl::Span<const Operation>)> apply);
  // Lets go of what is held.
  void Clear();

 private:
  // What follows the prefix that all keys have in common: its first bytes, as numbers that compare
  // like them.
  using KeyPart = std::array<uint64_t, 2>;

  struct Change {
    uint64_t keyspace;
    KeyPart key_part;
    uint32_t rest_bytes;  // how many follow that prefix
    uint32_t offset;      // of the operation, in what is held
  };

  static KeyPart KeyPartOf(std::string_view rest);
  Operation Read(const Change& change) const;
  // <0, 0, >0 as the key of `left` comes before that of `right`, is the same, or comes after it.
  int CompareKeys(const Change& left, const Change& right) const;
  void Sort();

  const size_t capacity_bytes_;
  std::unique_ptr<uint8_t[]> held_;
  size_t held_capacity_ = 0;
  size_t held_bytes_ = 0;
  std::vector<Change> changes_;
  std::string_view common_prefix_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_REPLAY_BATCH_H_
