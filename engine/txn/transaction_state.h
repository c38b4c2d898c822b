// What lies behind a transaction handle: one version, the trees of it that were asked for, and
// whether it is still open. Cursors share it, so that one which outlives its transaction finds it
// ended.
#ifndef ESPALIER_ENGINE_TXN_TRANSACTION_STATE_H_
#define ESPALIER_ENGINE_TXN_TRANSACTION_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/base/fork_guard.h"
#include "engine/page/arena.h"
#include "engine/page/page_source.h"
#include "engine/txn/catalogue.h"
#include "engine/txn/engine.h"
#include "engine/txn/reader_table.h"

namespace espalier::txn {

// A keyspace as a transaction sees it. Its address holds while the transaction's state lives.
struct KeyspaceState {
  static constexpr uint64_t kNone = UINT64_MAX;
  uint64_t id = kNone;
  KeyspaceRecord record;
  bool unrecorded = false;  // the catalogue has an older record
  bool dropped = false;     // by this transaction
  uint64_t changes = 0;     // counts them, so that cursors know when to seek anew
};

// One thread at a time.
class TransactionState {
 public:
  explicit TransactionState(Engine* engine);
  virtual ~TransactionState();
  TransactionState(const TransactionState&) = delete;
  TransactionState& operator=(const TransactionState&) = delete;

  void BeginReading(ReaderSlot* slot, const VersionState& state);
  // Gives the version up. Does nothing the second time.
  virtual void End();

  // False once the transaction has ended, and in a fork child, where not even the mapping is there.
  bool usable() const { return open_ && fork_generation_ == ForkGeneration(); }
  absl::Status CheckOpen() const { return usable() ? absl::OkStatus() : NotOpen(); }

  Version version() const { return version_; }
  uint64_t database() const { return database_; }
  Engine& engine() const { return *engine_; }
  // Valid until the transaction ends.
  const page::PageReader& reader() const { return *reader_; }

  // The keyspace if the transaction is open and used it last, as it nearly always did; else null.
  KeyspaceState* FindRecent(uint64_t database, uint64_t id) const {
    if (last_ == nullptr || last_->id != id || last_->dropped || database != database_ || !usable())
        [[unlikely]] {
      return nullptr;
    }
    return last_;
  }
  // kNotFound if this version has no keyspace of that id.
  absl::StatusOr<KeyspaceState*> FindKeyspace(uint64_t id) {
    if (last_ != nullptr && last_->id == id && !last_->dropped) [[likely]]
      return last_;
    return FindKeyspaceSlowly(id);
  }
  absl::StatusOr<uint64_t> FindKeyspaceByName(std::string_view name) const;
  absl::StatusOr<std::vector<NamedKeyspace>> ListKeyspaces() const;

  // kNotFound without a message.
  absl::StatusOr<std::string_view> Get(const KeyspaceState& keyspace, std::string_view key);
  absl::StatusOr<std::string_view> GetPart(const KeyspaceState& keyspace, std::string_view key,
                                           uint64_t offset, uint64_t length);
  absl::Status MultiGet(const KeyspaceState& keyspace, absl::Span<const std::string_view> keys,
                        absl::Span<std::optional<std::string_view>> values);
  absl::StatusOr<uint64_t> Rank(const KeyspaceState& keyspace, std::string_view key) const;

  bool IsGoodKey(std::string_view key) const { return key.size() - 1 < max_key_bytes_; }
  absl::Status CheckKey(std::string_view key) const {
    return IsGoodKey(key) ? absl::OkStatus() : BadKey(key);
  }

 protected:
  absl::Status NotOpen() const;
  absl::Status BadKey(std::string_view key) const;
  absl::StatusOr<KeyspaceState*> FindKeyspaceSlowly(uint64_t id);
  // Those that were asked for so far.
  // Takes what the version knows of a keyspace over.
  void Remember(const VersionState& state);
  template <typename Function>
  void ForEachKeyspace(Function function) const {
    if (first_keyspace_.id != KeyspaceState::kNone) function(first_keyspace_);
    for (const auto& keyspace : more_keyspaces_) function(*keyspace);
  }

  Engine* engine_;  // gone when open_ is false
  const uint32_t fork_generation_;
  const uint64_t database_;
  const size_t max_key_bytes_;
  Version version_{0};
  page::TreeRoot catalogue_;
  const page::PageReader* reader_;  // version_reader_, or the writer's
  page::PageReader version_reader_;
  bool open_ = false;
  // Most transactions use one keyspace, whose state needs no allocation.
  KeyspaceState first_keyspace_;
  std::vector<std::unique_ptr<KeyspaceState>> more_keyspaces_;
  KeyspaceState* last_ = nullptr;
  page::Arena values_;  // decompressed ones

 private:
  ReaderSlot* slot_ = nullptr;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_TRANSACTION_STATE_H_
