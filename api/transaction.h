// Transactions: a ReadTransaction sees one version of the whole database for as long as it lives; a
// WriteTransaction makes the next version, all of it or nothing.
//
// Both are RAII handles: dropping one ends it, and a write transaction that was not committed
// leaves no trace. They may move between threads but are used by one thread at a time. Any call on
// a transaction that has ended, or in a fork child, gives kFailedPrecondition. Errors common to all
// calls:
//   kInvalidArgument     empty or oversized key, handle of another database
//   kNotFound            no such key, or the keyspace does not exist in this version
//   kDataLoss            a page that the call needed is damaged, or the file lost its tail
//   kFailedPrecondition  the transaction has ended
#ifndef ESPALIER_API_TRANSACTION_H_
#define ESPALIER_API_TRANSACTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "espalier/cursor.h"
#include "espalier/export.h"
#include "espalier/keyspace.h"
#include "espalier/options.h"

namespace espalier {

namespace txn {
struct KeyspaceState;
class TransactionState;
class WriteState;
}  // namespace txn

struct KeyspaceInfo {
  std::string name;
  Keyspace keyspace;
  KeyspaceOptions options;
  uint64_t entries = 0;
  uint32_t height = 0;  // levels of the tree, leaf included; 0 when empty
};

// What both kinds of transaction can read.
class ESPALIER_EXPORT Transaction {
 public:
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // The value of `key`: a view into the mapping, valid until the transaction ends (in a write
  // transaction: until it changes anything). A value stored compressed is decompressed into memory
  // of the transaction. kNotFound, without a message, when there is no such key.
  absl::StatusOr<std::string_view> Get(const Keyspace& keyspace, std::string_view key) const;

  // `length` bytes of the value of `key` from `offset` on (less at its end). Of a large value only
  // the 64 KiB chunks that are touched are read and verified.
  absl::StatusOr<std::string_view> GetPart(const Keyspace& keyspace, std::string_view key,
                                           uint64_t offset, uint64_t length) const;

  absl::StatusOr<bool> Contains(const Keyspace& keyspace, std::string_view key) const;

  // Get() for many keys at once: values[i] is the value of keys[i], or absent. The lookups are
  // interleaved, which hides memory latency: several times the speed of single calls from a batch
  // of about 16 keys on, in any order. `values` must be as long as `keys`. On an error the content
  // of `values` is unspecified.
  absl::Status MultiGet(const Keyspace& keyspace, absl::Span<const std::string_view> keys,
                        absl::Span<std::optional<std::string_view>> values) const;

  // The number of entries in the keyspace, O(1), or in a range, O(log n).
  absl::StatusOr<uint64_t> Count(const Keyspace& keyspace) const;
  absl::StatusOr<uint64_t> Count(const Keyspace& keyspace, const KeyRange& range) const;

  // The number of entries whose key is less than `key` (which need not exist), O(log n).
  absl::StatusOr<uint64_t> Rank(const Keyspace& keyspace, std::string_view key) const;

  // A cursor that stands on the entry with `index` entries before it, O(log n). kOutOfRange when
  // the keyspace has no more than `index` entries.
  absl::StatusOr<Cursor> Select(const Keyspace& keyspace, uint64_t index) const;

  // A cursor that stands nowhere yet.
  absl::StatusOr<Cursor> OpenCursor(const Keyspace& keyspace) const;

  // The entries of a range, in key order or backwards.
  ::espalier::Scan Scan(const Keyspace& keyspace, KeyRange range = KeyRange::All()) const;
  ::espalier::Scan ReverseScan(const Keyspace& keyspace, KeyRange range = KeyRange::All()) const;

  // kNotFound when this version has no keyspace of that name.
  absl::StatusOr<Keyspace> OpenKeyspace(std::string_view name) const;
  // In name order; the default keyspace ("") first.
  absl::StatusOr<std::vector<KeyspaceInfo>> ListKeyspaces() const;

  // The version that the transaction reads; a write transaction's is the one that it is making.
  // Versions are ordered, and that of a commit is never reused; that of a transaction that was
  // dropped may be.
  uint64_t version() const;

  // False once the transaction was committed, rolled back, ended or moved from.
  bool active() const;

 protected:
  Transaction() = default;
  Transaction(Transaction&&) noexcept = default;
  Transaction& operator=(Transaction&&) noexcept = default;
  ~Transaction() = default;
  // OK while the transaction is open.
  absl::Status CheckOpen() const;
  // The keyspace in this transaction, whose address holds while it is open.
  absl::StatusOr<txn::KeyspaceState*> Resolve(const Keyspace& keyspace) const;
  std::shared_ptr<txn::TransactionState> state_;
};

class ESPALIER_EXPORT ReadTransaction : public Transaction {
 public:
  ReadTransaction(ReadTransaction&&) noexcept;
  ReadTransaction& operator=(ReadTransaction&&) noexcept;
  ~ReadTransaction();

  // Ends the transaction early; views that it gave become invalid.
  void End();

 private:
  friend class Database;
  explicit ReadTransaction(std::shared_ptr<txn::TransactionState> state);
};

// Names a committed version, to ask later whether it is durable.
struct CommitToken {
  uint64_t version = 0;
};

// The only writer while it lives. An error of a single call (a bad key, a key that is absent)
// leaves the transaction usable; an error that could have left a change half done
// (kResourceExhausted: the disk is full; kDataLoss) makes it refuse further changes and Commit()
// with that error, and dropping it restores the state before it. So does a change that threw
// std::bad_alloc; the error is then kAborted (see database.h).
class ESPALIER_EXPORT WriteTransaction : public Transaction {
 public:
  WriteTransaction(WriteTransaction&&) noexcept;
  WriteTransaction& operator=(WriteTransaction&&) noexcept;
  ~WriteTransaction();

  // Inserts or replaces. The key has 1 to Database::MaxKeyBytes() bytes, the value any length.
  absl::Status Put(const Keyspace& keyspace, std::string_view key, std::string_view value);

  // Inserts; false and no change when the key exists.
  absl::StatusOr<bool> PutIfAbsent(const Keyspace& keyspace, std::string_view key,
                                   std::string_view value);

  // Makes the value of `key` `desired` (absent: deletes it) if it is `expected` (absent: if there
  // is no such key); false and no change otherwise.
  absl::StatusOr<bool> CompareAndSwap(const Keyspace& keyspace, std::string_view key,
                                      std::optional<std::string_view> expected,
                                      std::optional<std::string_view> desired);

  // Inserts or replaces with a value of `size_bytes` bytes that the caller writes into the returned
  // span, before the next call on this transaction. Never compressed. The bytes start out
  // unspecified.
  absl::StatusOr<absl::Span<char>> Reserve(const Keyspace& keyspace, std::string_view key,
                                           uint64_t size_bytes);

  // Put() of a key greater than every key of the keyspace (else kInvalidArgument): the fast way to
  // load sorted data, which also packs the pages full.
  absl::Status Append(const Keyspace& keyspace, std::string_view key, std::string_view value);

  // True when the key existed.
  absl::StatusOr<bool> Delete(const Keyspace& keyspace, std::string_view key);

  // Deletes every entry of the range and returns their number. Costs O(log n) plus the pages freed
  // at once; the rest of a large range is freed by later transactions, a bounded part each.
  absl::StatusOr<uint64_t> DeleteRange(const Keyspace& keyspace, const KeyRange& range);

  absl::StatusOr<WriteCursor> OpenWriteCursor(const Keyspace& keyspace);

  // kAlreadyExists when the name is taken; names have 1 to 500 bytes.
  absl::StatusOr<Keyspace> CreateKeyspace(std::string_view name,
                                          const KeyspaceOptions& options = {});
  absl::StatusOr<Keyspace> OpenOrCreateKeyspace(std::string_view name,
                                                const KeyspaceOptions& options = {});
  // Drops the keyspace with all its entries in O(log n); its pages are freed by later transactions,
  // a bounded number each. The default keyspace cannot be dropped (kInvalidArgument).
  absl::Status DropKeyspace(const Keyspace& keyspace);
  // kAlreadyExists when `new_name` is taken. Handles of the keyspace stay valid.
  absl::Status RenameKeyspace(const Keyspace& keyspace, std::string_view new_name);

  // Makes the changes visible to every transaction that begins afterwards, as durable as the
  // transaction's Durability says, and ends this one, whatever comes of it. An error before the
  // commit was written (kResourceExhausted, kDataLoss, kAborted, std::bad_alloc) leaves no trace of
  // it. After a flush that failed it is unknown, until the database is opened again, whether the
  // commit happened. A kSync transaction that changed nothing waits until what it has seen is
  // durable.
  absl::StatusOr<CommitToken> Commit();

  // Drops the changes and ends the transaction.
  void Rollback();

 private:
  friend class Database;
  explicit WriteTransaction(std::shared_ptr<txn::WriteState> state);
  txn::WriteState* write_state() const;
};

}  // namespace espalier

#endif  // ESPALIER_API_TRANSACTION_H_
