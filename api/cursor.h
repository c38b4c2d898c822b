// A cursor walks the entries of one keyspace in key order, inside one transaction.
//
//   espalier::Cursor cursor = *txn.OpenCursor(keyspace);
//   for (bool found = cursor.SeekLowerBound("user/"); found; found = cursor.Next()) {
//     Use(cursor.key(), *cursor.value());
//   }
//   if (!cursor.status().ok()) ...
#ifndef ESPALIER_API_CURSOR_H_
#define ESPALIER_API_CURSOR_H_

#include <cstddef>
#include <iterator>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "espalier/export.h"
#include "espalier/keyspace.h"

namespace espalier {

namespace txn {
class CursorState;
}

// One thread at a time, like its transaction. Movable. A cursor may outlive its transaction: every
// call then answers false and status() is kFailedPrecondition.
//
// The positioning calls return true when the cursor stands on an entry. On false it stands nowhere:
// status() is OK when there simply is no such entry, kDataLoss when the way led over a damaged
// page, kFailedPrecondition when the transaction has ended. Their argument may be the cursor's own
// key().
class ESPALIER_EXPORT Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  bool First();
  bool Last();
  // To the first entry whose key is >= `key`.
  bool SeekLowerBound(std::string_view key);
  // To the first entry whose key is > `key`.
  bool SeekUpperBound(std::string_view key);
  // To the entry with exactly `key`.
  bool SeekExact(std::string_view key);
  // To the last entry whose key is <= `key`.
  bool SeekForPrev(std::string_view key);
  // To the first entry whose key starts with `prefix`.
  bool SeekPrefix(std::string_view prefix);

  // To the neighbour of the current entry; false past either end or when the cursor stands nowhere.
  bool Next();
  bool Prev();

  bool Valid() const;
  const absl::Status& status() const;

  // The current entry's key; empty when the cursor stands nowhere. The view is valid until the
  // cursor moves or is destroyed.
  std::string_view key() const;

  // The current entry's value: a view into the mapping, valid until the transaction ends (in a
  // write transaction: until it changes something). A value stored compressed is decompressed into
  // memory of the cursor, and its view is valid until the next call of value(). kFailedPrecondition
  // when the cursor stands nowhere, kDataLoss for a damaged large value.
  absl::StatusOr<std::string_view> value() const;

 protected:
  friend class Transaction;
  friend class WriteTransaction;
  explicit Cursor(std::unique_ptr<txn::CursorState> state);
  std::unique_ptr<txn::CursorState> state_;
};

// A cursor of a write transaction. Changes made through the transaction or another cursor keep its
// position: it stands on the same key, or, if that key was deleted, Next() and Prev() go to the
// neighbours that the key would have. Until then value(), Put() and Delete() give
// kFailedPrecondition.
class ESPALIER_EXPORT WriteCursor : public Cursor {
 public:
  // Replaces the value of the current entry; the cursor stays on it.
  absl::Status Put(std::string_view value);

  // Deletes the current entry. The cursor then stands on the entry that followed it, or nowhere if
  // there is none.
  absl::Status Delete();

 private:
  friend class WriteTransaction;
  using Cursor::Cursor;
};

// The entries of a KeyRange for range-for, forwards or backwards:
//
//   auto scan = txn.Scan(keyspace, KeyRange::Prefix("user/"));
//   for (const Entry& entry : scan) ...
//   if (!scan.status().ok()) ...
//
// An error ends the loop early and stays in status(). Single pass; the view of an entry's key is
// valid until the iterator moves, that of its value until the transaction ends or changes
// something; a value that is stored compressed only until the iterator moves.
class ESPALIER_EXPORT Scan {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    const Entry& operator*() const { return scan_->current_; }
    const Entry* operator->() const { return &scan_->current_; }
    Iterator& operator++() {
      if (!scan_->Advance()) scan_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const Iterator& other) const { return scan_ == other.scan_; }

   private:
    friend class Scan;
    explicit Iterator(Scan* scan) : scan_(scan) {}
    Scan* scan_;  // null: the end
  };

  Scan(Scan&&) noexcept = default;
  Scan& operator=(Scan&&) noexcept = default;

  Iterator begin() { return Iterator(Start() ? this : nullptr); }
  Iterator end() { return Iterator(nullptr); }
  const absl::Status& status() const { return status_; }

 private:
  friend class Transaction;
  enum class Direction { kForward, kBackward };
  Scan(absl::StatusOr<Cursor> cursor, KeyRange range, Direction direction);
  bool Start();
  bool Advance();
  bool Settle(bool found);

  absl::StatusOr<Cursor> cursor_;
  KeyRange range_;
  Direction direction_;
  Entry current_;
  absl::Status status_;
};

}  // namespace espalier

#endif  // ESPALIER_API_CURSOR_H_
