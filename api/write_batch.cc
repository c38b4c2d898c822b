#include "espalier/write_batch.h"

#include "engine/log/redo.h"

namespace espalier {

WriteBatch::WriteBatch() : operations_(std::make_unique<log::RedoBuffer>()) {}
WriteBatch::WriteBatch(WriteBatch&&) noexcept = default;
WriteBatch& WriteBatch::operator=(WriteBatch&&) noexcept = default;
WriteBatch::~WriteBatch() = default;

bool WriteBatch::Accept(const Keyspace& keyspace) {
  // A batch that was moved from begins anew.
  if (operations_ == nullptr) Clear();
  if (database_ == 0) database_ = keyspace.database_;
  if (keyspace.database_ == database_ && database_ != 0) return true;
  status_ = absl::InvalidArgumentError(keyspace.database_ == 0
                                           ? "the keyspace handle refers to nothing"
                                           : "the batch has keyspaces of different databases");
  return false;
}

void WriteBatch::Put(const Keyspace& keyspace, std::string_view key, std::string_view value) {
  if (Accept(keyspace)) operations_->Put(keyspace.id(), key, value);
}

void WriteBatch::Delete(const Keyspace& keyspace, std::string_view key) {
  if (Accept(keyspace)) operations_->Delete(keyspace.id(), key);
}

void WriteBatch::DeleteRange(const Keyspace& keyspace, const KeyRange& range) {
  if (Accept(keyspace)) operations_->DeleteRange(keyspace.id(), range.begin, range.end);
}

void WriteBatch::Clear() {
  if (operations_ == nullptr) operations_ = std::make_unique<log::RedoBuffer>();
  operations_->Clear();
  database_ = 0;
  status_ = absl::OkStatus();
}

bool WriteBatch::empty() const { return operations_ == nullptr || operations_->empty(); }

size_t WriteBatch::size_bytes() const { return empty() ? 0 : operations_->payload_bytes(); }

}  // namespace espalier
