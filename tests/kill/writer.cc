#include "tests/kill/writer.h"

#include <cstring>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"

namespace espalier::testing {
namespace {

absl::Status Perform(WriteTransaction& txn, const Keyspace& keyspace, const CommitName& name,
                     const Operation& operation) {
  const std::string key = SlotKey(name.thread, operation.slot);
  switch (operation.kind) {
    case Operation::Kind::kPut:
      return txn.Put(keyspace, key, ValueOf(name, operation.slot, operation.value_bytes));
    case Operation::Kind::kReserve: {
      ESPALIER_ASSIGN_OR_RETURN(const absl::Span<char> room,
                                txn.Reserve(keyspace, key, operation.value_bytes));
      const std::string value = ValueOf(name, operation.slot, operation.value_bytes);
      if (!value.empty()) std::memcpy(room.data(), value.data(), value.size());
      return absl::OkStatus();
    }
    case Operation::Kind::kDelete:
      return txn.Delete(keyspace, key).status();
    case Operation::Kind::kDeleteAllSlots:
      return txn.DeleteRange(keyspace, SlotKeys(name.thread)).status();
    case Operation::Kind::kAppendBatch:
      for (int entry = 0; entry < operation.entries; ++entry) {
        ESPALIER_RETURN_IF_ERROR(txn.Append(keyspace, BatchKey(name.number, entry),
                                            ValueOf(name, entry, operation.value_bytes)));
      }
      return absl::OkStatus();
    case Operation::Kind::kDeleteBatch:
      return txn.DeleteRange(keyspace, BatchKeys()).status();
  }
  return absl::OkStatus();
}

absl::Status CountCommit(WriteTransaction& txn, const Keyspace& keyspace) {
  uint64_t total = 0;
  const absl::StatusOr<std::string_view> before = txn.Get(keyspace, kTotalKey);
  if (before.ok() && !absl::SimpleAtoi(std::string(*before), &total)) {
    return absl::InternalError("the total is no number");
  }
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  return txn.Put(keyspace, kTotalKey, absl::StrCat(total + 1));
}

WriteBatch BatchOf(const Keyspace& keyspace, const CommitName& name) {
  WriteBatch batch;
  batch.Put(keyspace, LastKey(name.thread), absl::StrCat(name.number));
  for (const Operation& operation : OperationsOf(name)) {
    const std::string key = SlotKey(name.thread, operation.slot);
    switch (operation.kind) {
      case Operation::Kind::kPut:
        batch.Put(keyspace, key, ValueOf(name, operation.slot, operation.value_bytes));
        break;
      case Operation::Kind::kDelete:
        batch.Delete(keyspace, key);
        break;
      case Operation::Kind::kDeleteAllSlots:
        batch.DeleteRange(keyspace, SlotKeys(name.thread));
        break;
      case Operation::Kind::kDeleteBatch:
        batch.DeleteRange(keyspace, BatchKeys());
        break;
      case Operation::Kind::kReserve:
      case Operation::Kind::kAppendBatch:
        break;  // IsWrittenAtOnce() says no
    }
  }
  return batch;
}

absl::Status CommitOnce(Database& db, const WriterTask& task, const CommitName& name,
                        Ledger::Thread& ledger) {
  WriteOptions options;
  options.durability =
      task.dishonesty == Dishonesty::kDoesNotLog ? Durability::kCheckpoint : DurabilityOf(name);
  const Keyspace keyspace = db.default_keyspace();
  const auto acknowledge = [&] {
    ledger.acknowledged.store(name.number);
    task.acknowledged(name);
  };
  const auto attempt = [&](const auto& commit) {
    ledger.attempted.store(name.number);
    task.attempted(name);
    if (task.dishonesty == Dishonesty::kAcknowledgesEarly) acknowledge();
    const absl::Status committed = commit().status();
    if (committed.ok()) acknowledge();
    return committed;
  };
  if (IsWrittenAtOnce(name)) {
    const WriteBatch batch = BatchOf(keyspace, name);
    return attempt([&] { return db.Write(batch, options); });
  }
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite(options));
  ESPALIER_RETURN_IF_ERROR(txn.Put(keyspace, LastKey(name.thread), absl::StrCat(name.number)));
  ESPALIER_RETURN_IF_ERROR(CountCommit(txn, keyspace));
  // Last: the log refers only to leaves after which nothing else was done.
  for (const Operation& operation : OperationsOf(name)) {
    ESPALIER_RETURN_IF_ERROR(Perform(txn, keyspace, name, operation));
  }
  return attempt([&] { return txn.Commit(); });
}

absl::Status RunThread(Database& db, const WriterTask& task, int thread, Ledger::Thread& ledger) {
  const uint64_t first = ledger.found.load() + 1;
  for (uint64_t number = first; number - first < task.commits; ++number) {
    ESPALIER_RETURN_IF_ERROR(CommitOnce(db, task, {task.seed, thread, number}, ledger));
    // Of what goes on beside commits, one thread does everything.
    if (thread == 0 && number % 16 == 13) ESPALIER_RETURN_IF_ERROR(db.Checkpoint());
    if (thread == 0 && number % 32 == 14) ESPALIER_RETURN_IF_ERROR(db.Compact().status());
  }
  return absl::OkStatus();
}

}  // namespace

Options WriterOptions() {
  Options options;
  options.log_size_bytes = uint64_t{1} << 20;
  return options;
}

std::string RunWriter(const WriterTask& task, Ledger& ledger) {
  absl::StatusOr<Database> db = Database::Open(task.path, task.options);
  if (!db.ok()) return absl::StrCat("Open: ", db.status().ToString());
  std::array<absl::Status, kWriterThreads> results;
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriterThreads; ++i) {
    const auto index = static_cast<size_t>(i);
    threads.emplace_back(
        [&, i, index] { results[index] = RunThread(*db, task, i, ledger.threads[index]); });
  }
  for (std::thread& thread : threads) thread.join();
  std::string problems;
  for (const absl::Status& result : results) {
    if (!result.ok()) absl::StrAppend(&problems, "a thread: ", result.ToString(), "\n");
  }
  if (const absl::Status closed = db->Close(); !closed.ok()) {
    absl::StrAppend(&problems, "Close: ", closed.ToString(), "\n");
  }
  return problems;
}

}  // namespace espalier::testing
