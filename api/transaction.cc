#include "espalier/transaction.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/txn/cursor_state.h"
#include "engine/txn/transaction_state.h"
#include "engine/txn/write_state.h"

namespace espalier {

using txn::KeyspaceState;
using txn::WriteState;

// --- Transaction ---------------------------------------------------------------------------------

absl::Status Transaction::CheckOpen() const {
  if (state_ == nullptr) return absl::FailedPreconditionError("the transaction was moved from");
  return state_->CheckOpen();
}

absl::StatusOr<KeyspaceState*> Transaction::Resolve(const Keyspace& keyspace) const {
  if (state_ != nullptr) [[likely]] {
    KeyspaceState* const recent = state_->FindRecent(keyspace.database_, keyspace.id_);
    if (recent != nullptr) [[likely]]
      return recent;
  }
  ESPALIER_RETURN_IF_ERROR(CheckOpen());
  if (keyspace.database_ != state_->database()) {
    return absl::InvalidArgumentError(keyspace.database_ == 0
                                          ? "the keyspace handle refers to nothing"
                                          : "the keyspace handle belongs to another database");
  }
  return state_->FindKeyspace(keyspace.id_);
}

absl::StatusOr<std::string_view> Transaction::Get(const Keyspace& keyspace,
                                                  std::string_view key) const {
  if (state_ != nullptr) [[likely]] {
    const KeyspaceState* const recent = state_->FindRecent(keyspace.database_, keyspace.id_);
    if (recent != nullptr && state_->IsGoodKey(key)) [[likely]]
      return state_->Get(*recent, key);
  }
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return state_->Get(*found, key);
}

absl::StatusOr<std::string_view> Transaction::GetPart(const Keyspace& keyspace,
                                                      std::string_view key, uint64_t offset,
                                                      uint64_t length) const {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return state_->GetPart(*found, key, offset, length);
}

absl::StatusOr<bool> Transaction::Contains(const Keyspace& keyspace, std::string_view key) const {
  // A part of no length, so that no large value is read.
  const absl::Status status = GetPart(keyspace, key, 0, 0).status();
  if (absl::IsNotFound(status) && status.message().empty()) return false;
  ESPALIER_RETURN_IF_ERROR(status);
  return true;
}

absl::Status Transaction::MultiGet(const Keyspace& keyspace,
                                   absl::Span<const std::string_view> keys,
                                   absl::Span<std::optional<std::string_view>> values) const {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  if (keys.size() != values.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(keys.size(), " keys, but room for ", values.size(), " values"));
  }
  for (const std::string_view key : keys) ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return state_->MultiGet(*found, keys, values);
}

absl::StatusOr<uint64_t> Transaction::Count(const Keyspace& keyspace) const {
  ESPALIER_ASSIGN_OR_RETURN(const KeyspaceState* const found, Resolve(keyspace));
  return found->record.root.entries;
}

absl::StatusOr<uint64_t> Transaction::Count(const Keyspace& keyspace, const KeyRange& range) const {
  ESPALIER_ASSIGN_OR_RETURN(const KeyspaceState* const found, Resolve(keyspace));
  uint64_t before = 0;
  uint64_t up_to = found->record.root.entries;
  if (!range.begin.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(before, state_->Rank(*found, range.begin));
  }
  if (range.end.has_value()) {
    ESPALIER_ASSIGN_OR_RETURN(up_to, state_->Rank(*found, *range.end));
  }
  return up_to > before ? up_to - before : 0;
}

absl::StatusOr<uint64_t> Transaction::Rank(const Keyspace& keyspace, std::string_view key) const {
  ESPALIER_ASSIGN_OR_RETURN(const KeyspaceState* const found, Resolve(keyspace));
  return state_->Rank(*found, key);
}

absl::StatusOr<Cursor> Transaction::Select(const Keyspace& keyspace, uint64_t index) const {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  auto cursor = std::make_unique<txn::CursorState>(state_, found);
  if (cursor->Select(index)) return Cursor(std::move(cursor));
  ESPALIER_RETURN_IF_ERROR(cursor->status());
  return absl::OutOfRangeError(
      absl::StrCat("there is no entry ", index, "; the keyspace has ", found->record.root.entries));
}

absl::StatusOr<Cursor> Transaction::OpenCursor(const Keyspace& keyspace) const {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  return Cursor(std::make_unique<txn::CursorState>(state_, found));
}

Scan Transaction::Scan(const Keyspace& keyspace, KeyRange range) const {
  return {OpenCursor(keyspace), std::move(range), Scan::Direction::kForward};
}

Scan Transaction::ReverseScan(const Keyspace& keyspace, KeyRange range) const {
  return {OpenCursor(keyspace), std::move(range), Scan::Direction::kBackward};
}

absl::StatusOr<Keyspace> Transaction::OpenKeyspace(std::string_view name) const {
  ESPALIER_RETURN_IF_ERROR(CheckOpen());
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t id, state_->FindKeyspaceByName(name));
  return Keyspace(state_->database(), id);
}

absl::StatusOr<std::vector<KeyspaceInfo>> Transaction::ListKeyspaces() const {
  ESPALIER_RETURN_IF_ERROR(CheckOpen());
  ESPALIER_ASSIGN_OR_RETURN(const auto list, state_->ListKeyspaces());
  std::vector<KeyspaceInfo> infos;
  infos.reserve(list.size());
  for (const auto& [id, name, record] : list) {
    infos.push_back({name, Keyspace(state_->database(), id), KeyspaceOptions{record.compress_from},
                     record.root.entries, record.root.height});
  }
  return infos;
}

uint64_t Transaction::version() const { return state_ == nullptr ? 0 : state_->version().value; }

bool Transaction::active() const { return state_ != nullptr && state_->usable(); }

// --- ReadTransaction -----------------------------------------------------------------------------

ReadTransaction::ReadTransaction(std::shared_ptr<txn::TransactionState> state) {
  state_ = std::move(state);
}

ReadTransaction::ReadTransaction(ReadTransaction&&) noexcept = default;

ReadTransaction& ReadTransaction::operator=(ReadTransaction&& other) noexcept {
  if (this != &other) {
    End();
    state_ = std::move(other.state_);
  }
  return *this;
}

ReadTransaction::~ReadTransaction() { End(); }

void ReadTransaction::End() {
  if (state_ != nullptr) state_->End();
}

// --- WriteTransaction ----------------------------------------------------------------------------

WriteTransaction::WriteTransaction(std::shared_ptr<WriteState> state) { state_ = std::move(state); }

WriteTransaction::WriteTransaction(WriteTransaction&&) noexcept = default;

WriteTransaction& WriteTransaction::operator=(WriteTransaction&& other) noexcept {
  if (this != &other) {
    Rollback();
    state_ = std::move(other.state_);
  }
  return *this;
}

WriteTransaction::~WriteTransaction() { Rollback(); }

WriteState* WriteTransaction::write_state() const { return static_cast<WriteState*>(state_.get()); }

absl::Status WriteTransaction::Put(const Keyspace& keyspace, std::string_view key,
                                   std::string_view value) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return write_state()->Put(*found, key, value, WriteState::PutMode::kReplace).status();
}

absl::StatusOr<bool> WriteTransaction::PutIfAbsent(const Keyspace& keyspace, std::string_view key,
                                                   std::string_view value) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return write_state()->Put(*found, key, value, WriteState::PutMode::kOnlyIfAbsent);
}

absl::StatusOr<bool> WriteTransaction::CompareAndSwap(const Keyspace& keyspace,
                                                      std::string_view key,
                                                      std::optional<std::string_view> expected,
                                                      std::optional<std::string_view> desired) {
  const absl::StatusOr<std::string_view> present = Get(keyspace, key);
  if (absl::IsNotFound(present.status()) && present.status().message().empty()) {
    if (expected.has_value()) return false;
  } else {
    ESPALIER_RETURN_IF_ERROR(present.status());
    if (!expected.has_value() || *expected != *present) return false;
  }
  if (desired.has_value()) {
    ESPALIER_RETURN_IF_ERROR(Put(keyspace, key, *desired));
  } else {
    ESPALIER_RETURN_IF_ERROR(Delete(keyspace, key).status());
  }
  return true;
}

absl::StatusOr<absl::Span<char>> WriteTransaction::Reserve(const Keyspace& keyspace,
                                                           std::string_view key,
                                                           uint64_t size_bytes) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return write_state()->Reserve(*found, key, size_bytes);
}

absl::Status WriteTransaction::Append(const Keyspace& keyspace, std::string_view key,
                                      std::string_view value) {
  if (state_ != nullptr) [[likely]] {
    KeyspaceState* const recent = state_->FindRecent(keyspace.database_, keyspace.id_);
    if (recent != nullptr && state_->IsGoodKey(key)) [[likely]] {
      return write_state()->Append(*recent, key, value);
    }
  }
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return write_state()->Append(*found, key, value);
}

absl::StatusOr<bool> WriteTransaction::Delete(const Keyspace& keyspace, std::string_view key) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  ESPALIER_RETURN_IF_ERROR(state_->CheckKey(key));
  return write_state()->Delete(*found, key);
}

absl::StatusOr<uint64_t> WriteTransaction::DeleteRange(const Keyspace& keyspace,
                                                       const KeyRange& range) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  std::optional<std::string_view> end;
  if (range.end.has_value()) end = *range.end;
  return write_state()->DeleteRange(*found, range.begin, end);
}

absl::StatusOr<WriteCursor> WriteTransaction::OpenWriteCursor(const Keyspace& keyspace) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  return WriteCursor(std::make_unique<txn::CursorState>(state_, found));
}

absl::StatusOr<Keyspace> WriteTransaction::CreateKeyspace(std::string_view name,
                                                          const KeyspaceOptions& options) {
  ESPALIER_RETURN_IF_ERROR(CheckOpen());
  ESPALIER_ASSIGN_OR_RETURN(
      const uint64_t id, write_state()->CreateKeyspace(name, options.compress_values_from_bytes));
  return Keyspace(state_->database(), id);
}

absl::StatusOr<Keyspace> WriteTransaction::OpenOrCreateKeyspace(std::string_view name,
                                                                const KeyspaceOptions& options) {
  absl::StatusOr<Keyspace> keyspace = OpenKeyspace(name);
  if (absl::IsNotFound(keyspace.status())) return CreateKeyspace(name, options);
  return keyspace;
}

absl::Status WriteTransaction::DropKeyspace(const Keyspace& keyspace) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  return write_state()->DropKeyspace(*found);
}

absl::Status WriteTransaction::RenameKeyspace(const Keyspace& keyspace, std::string_view new_name) {
  ESPALIER_ASSIGN_OR_RETURN(KeyspaceState* const found, Resolve(keyspace));
  return write_state()->RenameKeyspace(*found, new_name);
}

absl::StatusOr<CommitToken> WriteTransaction::Commit() {
  ESPALIER_RETURN_IF_ERROR(CheckOpen());
  ESPALIER_ASSIGN_OR_RETURN(const Version version, write_state()->Commit());
  return CommitToken{version.value};
}

void WriteTransaction::Rollback() {
  if (state_ != nullptr) state_->End();
}

}  // namespace espalier
