#include "engine/txn/cursor_state.h"

#include <functional>
#include <utility>

#include "engine/base/status_macros.h"
#include "engine/tree/values.h"

namespace espalier::txn {

CursorState::CursorState(std::shared_ptr<TransactionState> transaction, KeyspaceState* keyspace)
    : transaction_(std::move(transaction)),
      keyspace_(keyspace),
      cursor_(transaction_->reader(), keyspace->record.root),
      changes_(keyspace->changes),
      writable_(dynamic_cast<WriteState*>(transaction_.get()) != nullptr) {}

bool CursorState::Begin() {
  status_ = transaction_->CheckOpen();
  if (!status_.ok()) [[unlikely]] {
    valid_ = false;
    return false;
  }
  if (keyspace_->dropped) {
    status_ = absl::NotFoundError("the keyspace was dropped");
    valid_ = false;
    return false;
  }
  if (stale()) {
    cursor_.Reset(transaction_->reader(), keyspace_->record.root);
    changes_ = keyspace_->changes;
  }
  key_is_current_ = false;
  return true;
}

bool CursorState::Finish(bool found) {
  valid_ = found;
  // Where the way back to the cursor's place failed, that is the reason.
  if (!found && status_.ok()) [[unlikely]]
    status_ = cursor_.status();
  const page::PageSource& source = transaction_->reader().source();
  if (found ? cursor_.EntryIsLost() : source.faulted()) [[unlikely]] {
    status_ = source.FaultStatus();
    valid_ = false;
  }
  if (valid_ && writable_) key();
  return valid_;
}

std::string_view CursorState::key() {
  if (!valid()) return {};
  if (!key_is_current_) {
    cursor_.key().CopyTo(key_);
    key_is_current_ = true;
  }
  return key_;
}

absl::StatusOr<std::string_view> CursorState::ValueSlowly() {
  ESPALIER_RETURN_IF_ERROR(transaction_->CheckOpen());
  if (!valid_) return absl::FailedPreconditionError("the cursor stands on no entry");
  if (stale()) [[unlikely]]
    ESPALIER_RETURN_IF_ERROR(ReturnToEntry());
  const page::PageSource& source = transaction_->reader().source();
  if (source.faulted()) return source.FaultStatus();
  const page::Payload payload = cursor_.payload();
  values_.Reset();
  return tree::DecodeValueSlowly(transaction_->reader(), payload, values_);
}

bool CursorState::Return(bool* exact) {
  const std::string key = key_;
  if (!Begin()) return false;
  const bool found = cursor_.SeekLowerBound(key);
  *exact = false;
  if (!found) {
    status_ = cursor_.status();
    // Deleted, and nothing follows it: still a place from which to go back.
    key_ = key;
    key_is_current_ = true;
    return false;
  }
  std::string here;
  cursor_.key().CopyTo(here);
  *exact = here == key;
  key_ = key;
  key_is_current_ = true;
  return true;
}

absl::Status CursorState::ReturnToEntry() {
  bool exact = false;
  if (Return(&exact) && exact) return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(status_);
  // The place between the neighbours is kept: whatever moves from here seeks it again.
  changes_ = kSeekAnew;
  return absl::FailedPreconditionError("the cursor's entry was deleted");
}

bool CursorState::First() { return Begin() && Finish(cursor_.First()); }
bool CursorState::Last() { return Begin() && Finish(cursor_.Last()); }
bool CursorState::Select(uint64_t index) { return Begin() && Finish(cursor_.Select(index)); }
bool CursorState::SeekLowerBound(std::string_view key) {
  return Begin() && Finish(cursor_.SeekLowerBound(key));
}

// What the cursor itself has given as its key, it replaces on the way.
std::string_view CursorState::Kept(std::string_view key) {
  const std::less_equal<const char*> not_after;
  if (not_after(key_.data(), key.data()) && not_after(key.data(), key_.data() + key_.size())) {
    argument_ = key;
    return argument_;
  }
  return key;
}

bool CursorState::SeekUpperBound(std::string_view key) {
  key = Kept(key);
  if (!SeekLowerBound(key)) return false;
  return this->key() == key ? Next() : true;
}

bool CursorState::SeekExact(std::string_view key) {
  key = Kept(key);
  if (!SeekLowerBound(key)) return false;
  if (this->key() == key) return true;
  valid_ = false;
  return false;
}

bool CursorState::SeekForPrev(std::string_view key) {
  key = Kept(key);
  if (!SeekLowerBound(key)) {
    return status_.ok() && Last();  // every key is less
  }
  return this->key() == key ? true : Prev();
}

bool CursorState::SeekPrefix(std::string_view prefix) {
  prefix = Kept(prefix);
  if (!SeekLowerBound(prefix)) return false;
  if (this->key().starts_with(prefix)) return true;
  valid_ = false;
  return false;
}

bool CursorState::StayNowhere() {
  if (status_.ok()) status_ = transaction_->CheckOpen();
  return false;
}

bool CursorState::NextSlowly() {
  if (!valid_) return StayNowhere();
  if (stale()) [[unlikely]] {
    bool exact = false;
    // If the entry is gone, what followed it is next.
    const bool found = Return(&exact);
    if (!valid_) return false;  // the transaction has ended, or the keyspace was dropped
    if (!found || !exact) {
      key_is_current_ = false;
      return Finish(found);
    }
  }
  return Begin() && Finish(cursor_.Next());
}

bool CursorState::Prev() {
  if (!valid_) return StayNowhere();
  if (stale()) [[unlikely]] {
    bool exact = false;
    if (!Return(&exact)) {
      if (!valid_) return false;
      if (!status_.ok()) return Finish(false);
      return Last();
    }
  }
  return Begin() && Finish(cursor_.Prev());
}

absl::Status CursorState::CheckEntry() {
  ESPALIER_RETURN_IF_ERROR(transaction_->CheckOpen());
  if (!valid_) return absl::FailedPreconditionError("the cursor stands on no entry");
  return stale() ? ReturnToEntry() : absl::OkStatus();
}

absl::Status CursorState::Put(std::string_view value) {
  ESPALIER_RETURN_IF_ERROR(CheckEntry());
  return static_cast<WriteState&>(*transaction_)
      .Put(*keyspace_, key_, value, WriteState::PutMode::kReplace)
      .status();
}

absl::Status CursorState::Delete() {
  ESPALIER_RETURN_IF_ERROR(CheckEntry());
  auto& transaction = static_cast<WriteState&>(*transaction_);
  const std::string key = key_;
  ESPALIER_RETURN_IF_ERROR(transaction.Delete(*keyspace_, key).status());
  try {
    SeekLowerBound(key);
  } catch (...) {
    // Deleted, but the call does not say so.
    transaction.BreakOff();
    throw;
  }
  return status_;
}

}  // namespace espalier::txn
