#include "tools/cli/chunked_writer.h"

#include <utility>

namespace espalier::tools {

absl::Status ChunkedWriter::SelectKeyspace(const std::string& name,
                                           const KeyspaceOptions& keyspace_options) {
  if (absl::Status status = Begin(); !status.ok()) return status;
  absl::StatusOr<Keyspace> keyspace = txn_->OpenOrCreateKeyspace(name, keyspace_options);
  if (!keyspace.ok()) return keyspace.status();
  keyspace_ = *keyspace;
  sorted_ = true;
  return absl::OkStatus();
}

absl::Status ChunkedWriter::Put(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > db_.MaxKeyBytes()) {
    return absl::InvalidArgumentError("a key of " + std::to_string(key.size()) +
                                      " bytes; this database takes 1 to " +
                                      std::to_string(db_.MaxKeyBytes()));
  }
  if (absl::Status status = Begin(); !status.ok()) return status;
  if (absl::Status status = PutInTransaction(key, value); !status.ok()) {
    txn_.reset();
    return status;
  }
  bytes_ += key.size() + value.size();
  if (entries_ >= options_.chunk_entries || bytes_ >= options_.chunk_bytes) return Commit();
  return absl::OkStatus();
}

absl::Status ChunkedWriter::Begin() {
  if (txn_) return absl::OkStatus();
  absl::StatusOr<WriteTransaction> txn = db_.BeginWrite();
  if (!txn.ok()) return txn.status();
  txn_.emplace(*std::move(txn));
  entries_ = 0;
  bytes_ = 0;
  return absl::OkStatus();
}

absl::Status ChunkedWriter::PutInTransaction(std::string_view key, std::string_view value) {
  if (sorted_) {
    absl::Status status = txn_->Append(keyspace_, key, value);
    if (status.ok()) ++entries_;
    // The key itself is sound, so kInvalidArgument says that it is out of order.
    if (!absl::IsInvalidArgument(status)) return status;
    if (options_.append_only) {
      return absl::InvalidArgumentError("the key is not greater than all before it");
    }
    sorted_ = false;
  }
  if (options_.overwrite) {
    ++entries_;
    return txn_->Put(keyspace_, key, value);
  }
  const absl::StatusOr<bool> put = txn_->PutIfAbsent(keyspace_, key, value);
  if (!put.ok()) return put.status();
  ++(*put ? entries_ : skipped_);
  return absl::OkStatus();
}

absl::Status ChunkedWriter::Commit() {
  if (!txn_) return absl::OkStatus();
  const absl::StatusOr<CommitToken> token = txn_->Commit();
  txn_.reset();
  if (token.ok()) committed_ += entries_;
  return token.status();
}

}  // namespace espalier::tools
