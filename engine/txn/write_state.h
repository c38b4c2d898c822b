// The write transaction: changes trees in pages of its own, and at Commit() makes the next version
// of them.
#ifndef ESPALIER_ENGINE_TXN_WRITE_STATE_H_
#define ESPALIER_ENGINE_TXN_WRITE_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/log/redo.h"
#include "engine/tree/page_writer.h"
#include "engine/tree/tree_writer.h"
#include "engine/tree/values.h"
#include "engine/txn/transaction_state.h"

namespace espalier::txn {

class WriteState final : public TransactionState {
 public:
  // With the writer gate entered; leaves it when it ends.
  WriteState(Engine* engine, const VersionState& base, Version version, Durability durability);
  ~WriteState() override;

  enum class PutMode { kReplace, kOnlyIfAbsent };
  // True if the entry was put.
  absl::StatusOr<bool> Put(KeyspaceState& keyspace, std::string_view key, std::string_view value,
                           PutMode mode);
  // kInvalidArgument if there is a key that is not less.
  absl::Status Append(KeyspaceState& keyspace, std::string_view key, std::string_view value);
  absl::StatusOr<absl::Span<char>> Reserve(KeyspaceState& keyspace, std::string_view key,
                                           uint64_t value_bytes);
  // True if the key existed.
  absl::StatusOr<bool> Delete(KeyspaceState& keyspace, std::string_view key);
  absl::StatusOr<uint64_t> DeleteRange(KeyspaceState& keyspace, std::string_view begin,
                                       std::optional<std::string_view> end);

  absl::StatusOr<uint64_t> CreateKeyspace(std::string_view name, uint32_t compress_from);
  absl::Status DropKeyspace(KeyspaceState& keyspace);
  absl::Status RenameKeyspace(KeyspaceState& keyspace, std::string_view name);

  // Publishes the version, once it is as durable as was asked for; the transaction ends whatever
  // comes of it, an exception included, which leaves no trace of it.
  absl::StatusOr<Version> Commit();
  // Does again what the log says was done. kNotFound or kInvalidArgument for what no transaction
  // can have done.
  absl::Status Replay(const log::RedoReader::Operation& operation);
  // Several in their order, whose pages are fetched side by side before.
  absl::Status Replay(absl::Span<const log::RedoReader::Operation> operations);
  absl::Status CommitReplay();

  // Drops everything.
  void End() override;

  // After an exception (memory ran out) a change may be half done: refuses everything but to be
  // dropped. The changes above call this themselves.
  void BreakOff() { broken_off_ = true; }

 private:
  friend class Compactor;

  absl::StatusOr<bool> HasKeyspace(uint64_t id);
  absl::StatusOr<std::string> NameOf(const KeyspaceState& keyspace) const;
  // A large value that is there already: a reference as the leaf keeps it.
  absl::Status PutLarge(KeyspaceState& keyspace, std::string_view key, std::string_view reference);
  // Puts a value, or what refers to it where it lies, into the log.
  void LogPut(uint64_t keyspace, std::string_view key, std::string_view value,
              const page::Payload& payload);
  // The error that made the transaction unusable, if any; also a mapping that faulted.
  absl::Status CheckHealthy() const;
  bool IsHealthy() const { return failure_.ok() && !broken_off_ && !pages_.source().faulted(); }
  // Before any change but that of Append().
  absl::Status BeginChange();
  // Notes an error after which trees may be half changed.
  absl::Status Fail(absl::Status status);
  // Whether the bytes lie in a mapping, whose pages are about to change; then Detach() makes a
  // copy.
  bool IsMapped(std::string_view bytes) const {
    const page::PageSource& source = pages_.source();
    return source.Contains(bytes.data(), bytes.size()) ||
           (&source != base_source_.get() && IsMappedElsewhere(bytes));
  }
  bool IsMappedElsewhere(std::string_view bytes) const;
  std::string_view Detach(std::string_view bytes, std::string& copy) const;
  // An entry without a run, behind the last one, where the keyspace's writer stands.
  absl::Status AppendPlain(KeyspaceState& keyspace, std::string_view key, std::string_view value);
  // Gives redo_ the entries of the leaves that it would have referred to: before anything else than
  // appending to the same keyspace may change them, or come behind them in the log.
  void SpellOut() {
    if (!appended_.leaves.empty()) [[unlikely]]
      SpellOutLeaves();
  }
  void SpellOutLeaves();
  absl::Status LogAppended();
  absl::Status ReplayLeaves(KeyspaceState& keyspace, std::string_view runs);
  absl::Status ReplayLeaf(KeyspaceState& keyspace, PageNumber leaf);
  // Where the keyspace's writer stands, or where it finds the key.
  enum class PutPlace { kHere, kSeek };
  absl::Status PutAt(PutPlace place, KeyspaceState& keyspace, std::string_view key,
                     std::string_view value);
  // Notes that the keyspace is about to change.
  void Touch(KeyspaceState& keyspace);
  void LookUp(absl::Span<const log::RedoReader::Operation> operations);
  absl::Status SealReserved();
  absl::Status FreeDetached();
  // The keyspace whose root the version names itself; null: none.
  const KeyspaceState* RecentKeyspace() const;
  absl::Status FinishCatalogue();
  absl::Status Prepare();
  std::unique_ptr<VersionState> MakeVersion();
  // Three ways to commit a transaction that is prepared.
  absl::Status CommitToLog(std::unique_ptr<VersionState> state);
  enum class LogAfterwards { kKept, kRemoved };
  absl::Status CommitByCheckpoint(std::unique_ptr<VersionState> state,
                                  LogAfterwards log_afterwards);
  absl::Status CommitUnlogged(std::unique_ptr<VersionState> state);
  // Ends the transaction, with its changes applied, and waits until they are durable.
  absl::Status AwaitFlush(LogPosition log_end);
  absl::Status AwaitSeen();
  void LeaveGate(ReaderSlot* slot, Version version);
  void Leave();
  void ReturnBorrowed(Engine& engine);

  // Lets `record` note down in redo_ what was done.
  template <typename Function>
  void Log(Function record) {
    if (!logging_) return;
    record(redo_);
    if (redo_.payload_bytes() > max_redo_bytes_) StopLogging();
  }
  void StopLogging();

  // The writer of the keyspace's tree; stays where its last call left it as long as the keyspace's
  // trees were changed by nobody else.
  tree::TreeWriter& WriterOf(KeyspaceState& keyspace);

  tree::PageWriter pages_;
  page::Arena arena_;
  tree::TreeWriter writer_;
  const KeyspaceState* writer_keyspace_ = nullptr;
  uint64_t writer_changes_ = 0;
  tree::ValueEncoder encoder_;
  uint64_t next_id_;
  const Version base_version_;
  std::shared_ptr<page::PageSource> base_source_;
  bool changed_ = false;
  const Durability durability_;
  // Whether redo_ has everything that was done; no longer if that is too much for the log.
  bool logging_;
  // Compaction, for one, has nothing to log.
  bool same_content_ = false;
  size_t max_redo_bytes_ = 0;
  log::RedoBuffer redo_;
  std::vector<PageRun> logged_runs_;  // that redo_ refers to
  // The leaves that Append() has begun, and gone on to fill, since anything else was done: in their
  // order all that the keyspace has behind what redo_ knows.
  struct AppendedLeaves {
    uint64_t keyspace = 0;
    std::vector<PageNumber> leaves;
    uint64_t entries = 0;
  };
  AppendedLeaves appended_;
  absl::Status failure_;
  bool broken_off_ = false;
  // Values that the caller was still writing when they were put.
  struct Reserved {
    uint64_t keyspace;
    std::string key;
    PageNumber first_page;  // of the large value; 0 if it lies in the leaf
    uint64_t value_bytes;
  };
  std::vector<Reserved> reserved_;
  std::vector<tree::DetachedTree> detached_;
  bool may_have_detached_;  // the catalogue, as VersionState says
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_WRITE_STATE_H_
