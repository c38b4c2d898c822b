// A cursor as a transaction's user has it: it knows whether its transaction is still open, and
// finds its place again when a write transaction has changed the tree under it.
#ifndef ESPALIER_ENGINE_TXN_CURSOR_STATE_H_
#define ESPALIER_ENGINE_TXN_CURSOR_STATE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/page/arena.h"
#include "engine/tree/cursor.h"
#include "engine/txn/transaction_state.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {

class CursorState {
 public:
  CursorState(std::shared_ptr<TransactionState> transaction, KeyspaceState* keyspace);

  bool First();
  bool Last();
  bool SeekLowerBound(std::string_view key);
  bool SeekUpperBound(std::string_view key);
  bool SeekExact(std::string_view key);
  bool SeekForPrev(std::string_view key);
  bool SeekPrefix(std::string_view prefix);
  bool Select(uint64_t index);
  bool Next() {
    // Within a leaf of a tree that nobody changes.
    if (valid_ && !writable_ && transaction_->usable() && cursor_.NextInLeaf()) [[likely]] {
      key_is_current_ = false;
      return !cursor_.EntryIsLost() || Finish(true);
    }
    return NextSlowly();
  }
  bool Prev();

  bool valid() const { return valid_ && transaction_->usable(); }
  const absl::Status& status() const { return status_; }
  std::string_view key();
  absl::StatusOr<std::string_view> value() {
    if (valid_ && transaction_->usable() && !stale()) [[likely]] {
      const page::Payload payload = cursor_.payload();
      if (!payload.large && !payload.compressed && !transaction_->reader().source().faulted())
          [[likely]] {
        return payload.bytes;
      }
    }
    return ValueSlowly();
  }

  // In a write transaction.
  absl::Status Put(std::string_view value);
  absl::Status Delete();

 private:
  bool NextSlowly();
  absl::StatusOr<std::string_view> ValueSlowly();
  // Makes ready for a positioning call: false with a status if the transaction has ended.
  bool Begin();
  bool Finish(bool found);
  // An argument of a positioning call, in memory that the call does not change.
  std::string_view Kept(std::string_view key);
  // A step from nowhere: false, and the reason if there is one.
  bool StayNowhere();
  // Whether the tree changed since the position was found.
  bool stale() const { return changes_ != keyspace_->changes; }
  // Finds the current key again; `*exact` tells whether it is still there, otherwise the cursor
  // stands on what followed it.
  bool Return(bool* exact);
  // After a change of the tree: kFailedPrecondition if the current entry was deleted, kNotFound if
  // the keyspace was dropped.
  absl::Status ReturnToEntry();
  // OK if the cursor stands on an entry that is still there.
  absl::Status CheckEntry();

  // A value of `changes_` that the keyspace's count never has.
  static constexpr uint64_t kSeekAnew = UINT64_MAX;

  const std::shared_ptr<TransactionState> transaction_;
  KeyspaceState* const keyspace_;
  tree::Cursor cursor_;
  uint64_t changes_;
  bool valid_ = false;
  // The current entry's key. Copied when asked for, and always in a write transaction.
  std::string key_;
  bool key_is_current_ = false;
  std::string argument_;
  const bool writable_;
  page::Arena values_;
  absl::Status status_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_CURSOR_STATE_H_
