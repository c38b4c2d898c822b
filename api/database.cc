#include "espalier/database.h"

#include <algorithm>
#include <utility>

#include "engine/base/status_macros.h"
#include "engine/log/redo.h"
#include "engine/page/leaf.h"
#include "engine/txn/copy.h"
#include "engine/txn/engine.h"
#include "engine/txn/transaction_state.h"
#include "engine/txn/write_state.h"

namespace espalier {
namespace {

LatencyStats ToLatencyStats(const LatencyHistogram& histogram) {
  return {.count = histogram.count(),
          .p50 = histogram.Quantile(0.5),
          .p90 = histogram.Quantile(0.9),
          .p99 = histogram.Quantile(0.99),
          .max = histogram.max()};
}

txn::Durability ToEngineDurability(Durability durability) {
  switch (durability) {
    case Durability::kSync:
      return txn::Durability::kSync;
    case Durability::kAsync:
      return txn::Durability::kAsync;
    case Durability::kCheckpoint:
      break;
  }
  return txn::Durability::kCheckpoint;
}

txn::ProgressFunction ToProgressFunction(const ProgressCallback& callback) {
  if (!callback) return nullptr;
  return [callback](uint64_t done, uint64_t total) { return callback(Progress{done, total}); };
}

txn::EngineOptions ToEngineOptions(const Options& options) {
  txn::EngineOptions result;
  result.create_if_missing = options.create_if_missing;
  result.read_only = options.read_only;
  result.page_bytes = options.page_size_bytes;
  result.verify_checksums = options.verify_checksums;
  result.separate_read_view = options.protect_from_stray_stores;
  result.address_space_bytes = options.address_space_bytes;
  result.durability = ToEngineDurability(options.durability);
  result.log_bytes = options.log_size_bytes;
  result.recovery_progress = ToProgressFunction(options.recovery_progress);
  return result;
}

}  // namespace

absl::StatusOr<Database> Database::Open(const std::string& path, const Options& options) {
  ESPALIER_ASSIGN_OR_RETURN(txn::Engine* const engine,
                            txn::Engine::Open(path, ToEngineOptions(options)));
  return Database(engine);
}

absl::StatusOr<Database> Database::OpenInMemory(const Options& options) {
  ESPALIER_ASSIGN_OR_RETURN(txn::Engine* const engine,
                            txn::Engine::OpenInMemory(ToEngineOptions(options)));
  return Database(engine);
}

Database::Database(Database&& other) noexcept : engine_(std::exchange(other.engine_, nullptr)) {}

Database& Database::operator=(Database&& other) noexcept {
  if (this != &other) {
    if (engine_ != nullptr) txn::Engine::Release(engine_);
    engine_ = std::exchange(other.engine_, nullptr);
  }
  return *this;
}

Database::~Database() {
  if (engine_ != nullptr) txn::Engine::Release(engine_);
}

absl::Status Database::CheckHandle() const {
  if (engine_ == nullptr) return absl::FailedPreconditionError("the database was moved from");
  return absl::OkStatus();
}

absl::Status Database::Close() {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  return engine_->Close();
}

absl::StatusOr<ReadTransaction> Database::BeginRead() {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  ESPALIER_ASSIGN_OR_RETURN(std::shared_ptr<txn::TransactionState> state, engine_->BeginRead());
  return ReadTransaction(std::move(state));
}

txn::Durability Database::DurabilityOf(const WriteOptions& options) const {
  return options.durability.has_value() ? ToEngineDurability(*options.durability)
                                        : engine_->options().durability;
}

absl::StatusOr<WriteTransaction> Database::BeginWriteUntil(
    std::optional<std::chrono::steady_clock::time_point> deadline, const WriteOptions& options) {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  ESPALIER_ASSIGN_OR_RETURN(std::shared_ptr<txn::WriteState> state,
                            engine_->BeginWrite(deadline, DurabilityOf(options)));
  return WriteTransaction(std::move(state));
}

absl::StatusOr<WriteTransaction> Database::BeginWrite(const WriteOptions& options) {
  return BeginWriteUntil(std::nullopt, options);
}

absl::StatusOr<WriteTransaction> Database::TryBeginWrite(
    std::chrono::steady_clock::time_point deadline, const WriteOptions& options) {
  return BeginWriteUntil(deadline, options);
}

absl::StatusOr<CommitToken> Database::Write(const WriteBatch& batch, const WriteOptions& options) {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  std::span<const uint8_t> operations;
  // One that was moved from is empty.
  if (batch.operations_ != nullptr) {
    ESPALIER_RETURN_IF_ERROR(batch.status_);
    if (batch.database_ != 0 && batch.database_ != engine_->instance()) {
      return absl::InvalidArgumentError("the batch is for another database");
    }
    if (!batch.empty()) {
      operations = batch.operations_->record().subspan(sizeof(log::RecordHeader));
    }
  }
  ESPALIER_ASSIGN_OR_RETURN(const Version version,
                            engine_->Write(operations, DurabilityOf(options)));
  return CommitToken{version.value};
}

absl::StatusOr<CommitToken> Database::Update(
    const std::function<absl::Status(WriteTransaction&)>& function, const WriteOptions& options) {
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, BeginWrite(options));
  ESPALIER_RETURN_IF_ERROR(function(txn));
  return txn.Commit();
}

absl::Status Database::WaitDurable(const CommitToken& token) {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  return engine_->WaitDurable(Version(token.version));
}

Keyspace Database::default_keyspace() const {
  return engine_ == nullptr ? Keyspace() : Keyspace(engine_->instance(), txn::kDefaultKeyspaceId);
}

absl::StatusOr<std::string> Database::Get(const Keyspace& keyspace, std::string_view key) {
  ESPALIER_ASSIGN_OR_RETURN(const ReadTransaction txn, BeginRead());
  ESPALIER_ASSIGN_OR_RETURN(const std::string_view value, txn.Get(keyspace, key));
  return std::string(value);
}

absl::StatusOr<CommitToken> Database::Put(const Keyspace& keyspace, std::string_view key,
                                          std::string_view value) {
  WriteBatch batch;
  batch.Put(keyspace, key, value);
  return Write(batch);
}

absl::StatusOr<bool> Database::Delete(const Keyspace& keyspace, std::string_view key) {
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, BeginWrite());
  ESPALIER_ASSIGN_OR_RETURN(const bool deleted, txn.Delete(keyspace, key));
  ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
  return deleted;
}

absl::StatusOr<uint64_t> Database::Count(const Keyspace& keyspace, const KeyRange& range) {
  ESPALIER_ASSIGN_OR_RETURN(const ReadTransaction txn, BeginRead());
  return txn.Count(keyspace, range);
}

absl::StatusOr<Keyspace> Database::OpenKeyspace(std::string_view name) {
  ESPALIER_ASSIGN_OR_RETURN(const ReadTransaction txn, BeginRead());
  return txn.OpenKeyspace(name);
}

absl::StatusOr<Keyspace> Database::OpenOrCreateKeyspace(std::string_view name,
                                                        const KeyspaceOptions& options) {
  absl::StatusOr<Keyspace> keyspace = OpenKeyspace(name);
  if (!absl::IsNotFound(keyspace.status())) return keyspace;
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, BeginWrite());
  ESPALIER_ASSIGN_OR_RETURN(keyspace, txn.OpenOrCreateKeyspace(name, options));
  ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
  return keyspace;
}

absl::Status Database::DropKeyspace(const Keyspace& keyspace) {
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, BeginWrite());
  ESPALIER_RETURN_IF_ERROR(txn.DropKeyspace(keyspace));
  return txn.Commit().status();
}

absl::Status Database::Checkpoint() {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  return engine_->Checkpoint();
}

absl::StatusOr<CompactResult> Database::Compact(const ProgressCallback& progress) {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  CompactResult result;
  result.file_bytes_before = engine_->file_bytes();
  ESPALIER_RETURN_IF_ERROR(engine_->Compact(ToProgressFunction(progress)));
  result.file_bytes_after = engine_->file_bytes();
  return result;
}

absl::Status Database::CopyTo(const std::string& path, const ProgressCallback& progress) {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  return txn::CopyDatabase(*engine_, path, ToProgressFunction(progress));
}

absl::StatusOr<VerifyReport> Database::Verify(const ProgressCallback& progress) {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  ESPALIER_ASSIGN_OR_RETURN(txn::VerifyResult result,
                            engine_->Verify(ToProgressFunction(progress)));
  VerifyReport report;
  report.pages = result.pages;
  report.leaf_pages = result.leaf_pages;
  report.inner_pages = result.inner_pages;
  report.large_value_pages = result.large_value_pages;
  report.space_map_pages = result.space_map_pages;
  report.free_pages = result.free_pages;
  report.waiting_pages = result.waiting_pages;
  report.entries = result.entries;
  report.used_bytes = result.used_bytes;
  report.log_bytes = result.log_bytes;
  report.log_transactions = result.log_transactions;
  report.problems = std::move(result.problems);
  return report;
}

absl::StatusOr<Stats> Database::GetStats() const {
  ESPALIER_RETURN_IF_ERROR(CheckHandle());
  ESPALIER_ASSIGN_OR_RETURN(const txn::EngineStats engine, engine_->Stats());
  Stats stats;
  stats.page_size_bytes = engine.page_bytes;
  stats.file_bytes = engine.file_bytes;
  stats.newest_version = engine.newest_version.value;
  stats.checkpoint_version = engine.checkpoint_version.value;
  stats.reachable_pages = engine.reachable_pages;
  stats.waiting_pages = engine.waiting_pages;
  stats.free_pages = engine.free_pages;
  stats.reserved_pages = engine.reserved_pages;
  stats.log_limit_bytes = engine.log_limit_bytes;
  stats.log_used_bytes = engine.log_used_bytes;
  stats.log_waits = engine.log_waits;
  stats.log_flushes = ToLatencyStats(engine.log_flushes);
  stats.recovered_transactions = engine.recovered_transactions;
  stats.checkpoint_times = ToLatencyStats(engine.checkpoint_times);
  stats.commits = engine.commits;
  stats.checkpoints = engine.checkpoints;
  stats.mapped_bytes = engine.mapped_bytes;
  const auto waiting_on = [&](Version version) -> uint64_t {
    for (const auto& [other, pages] : engine.waiting) {
      if (other == version) return pages;
    }
    return 0;
  };
  stats.waiting_for_checkpoint_pages = waiting_on(engine.checkpoint_version);
  for (const txn::ReaderTable::Reader& reader : engine.readers) {
    stats.readers.push_back({reader.version.value, std::chrono::milliseconds(reader.age_ms),
                             waiting_on(reader.version) * engine.page_bytes});
  }
  ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<txn::TransactionState> newest,
                            engine_->BeginRead());
  ESPALIER_ASSIGN_OR_RETURN(const auto keyspaces, newest->ListKeyspaces());
  stats.keyspaces = keyspaces.size();
  for (const auto& keyspace : keyspaces) stats.entries += keyspace.record.root.entries;
  return stats;
}

size_t Database::MaxKeyBytes() const {
  return engine_ == nullptr ? 0 : page::MaxKeyBytes(engine_->page_bytes());
}

const std::string& Database::path() const {
  static const std::string* const none = new std::string;
  return engine_ == nullptr ? *none : engine_->path();
}

}  // namespace espalier
