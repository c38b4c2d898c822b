#include "espalier/cursor.h"

#include <utility>

#include "engine/txn/cursor_state.h"

namespace espalier {
namespace {

const absl::Status& MovedFrom() {
  static const absl::Status* const status =
      new absl::Status(absl::FailedPreconditionError("the cursor was moved from"));
  return *status;
}

}  // namespace

Cursor::Cursor(std::unique_ptr<txn::CursorState> state) : state_(std::move(state)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

bool Cursor::First() { return state_ != nullptr && state_->First(); }
bool Cursor::Last() { return state_ != nullptr && state_->Last(); }
bool Cursor::SeekLowerBound(std::string_view key) {
  return state_ != nullptr && state_->SeekLowerBound(key);
}
bool Cursor::SeekUpperBound(std::string_view key) {
  return state_ != nullptr && state_->SeekUpperBound(key);
}
bool Cursor::SeekExact(std::string_view key) { return state_ != nullptr && state_->SeekExact(key); }
bool Cursor::SeekForPrev(std::string_view key) {
  return state_ != nullptr && state_->SeekForPrev(key);
}
bool Cursor::SeekPrefix(std::string_view prefix) {
  return state_ != nullptr && state_->SeekPrefix(prefix);
}
bool Cursor::Next() { return state_ != nullptr && state_->Next(); }
bool Cursor::Prev() { return state_ != nullptr && state_->Prev(); }
bool Cursor::Valid() const { return state_ != nullptr && state_->valid(); }

const absl::Status& Cursor::status() const {
  return state_ == nullptr ? MovedFrom() : state_->status();
}

std::string_view Cursor::key() const {
  return state_ == nullptr ? std::string_view() : state_->key();
}

absl::StatusOr<std::string_view> Cursor::value() const {
  if (state_ == nullptr) return MovedFrom();
  return state_->value();
}

absl::Status WriteCursor::Put(std::string_view value) {
  return state_ == nullptr ? MovedFrom() : state_->Put(value);
}

absl::Status WriteCursor::Delete() { return state_ == nullptr ? MovedFrom() : state_->Delete(); }

Scan::Scan(absl::StatusOr<Cursor> cursor, KeyRange range, Direction direction)
    : cursor_(std::move(cursor)), range_(std::move(range)), direction_(direction) {}

bool Scan::Start() {
  if (!cursor_.ok()) {
    status_ = cursor_.status();
    return false;
  }
  if (direction_ == Direction::kForward) {
    return Settle(range_.begin.empty() ? cursor_->First() : cursor_->SeekLowerBound(range_.begin));
  }
  if (!range_.end.has_value()) return Settle(cursor_->Last());
  // The last key before the end.
  if (cursor_->SeekLowerBound(*range_.end)) return Settle(cursor_->Prev());
  return Settle(cursor_->status().ok() && cursor_->Last());
}

bool Scan::Advance() {
  return Settle(direction_ == Direction::kForward ? cursor_->Next() : cursor_->Prev());
}

bool Scan::Settle(bool found) {
  if (!found) {
    status_ = cursor_->status();
    return false;
  }
  current_.key = cursor_->key();
  if (direction_ == Direction::kForward ? range_.end.has_value() && current_.key >= *range_.end
                                        : current_.key < range_.begin) {
    return false;
  }
  absl::StatusOr<std::string_view> value = cursor_->value();
  if (!value.ok()) {
    status_ = value.status();
    return false;
  }
  current_.value = *value;
  return true;
}

}  // namespace espalier
