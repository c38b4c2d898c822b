#include "tests/kill/check.h"

#include <unistd.h>

#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/support/child_process.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

// Far more than any check takes; a recovery that does not end must not hold up the machine.
constexpr unsigned kPatienceSeconds = 60;

// The number under `key`, 0 where there is none.
uint64_t NumberAt(const ReadTransaction& txn, const Keyspace& keyspace, const std::string& key,
                  std::string& problems) {
  const absl::StatusOr<std::string_view> text = txn.Get(keyspace, key);
  if (absl::IsNotFound(text.status())) return 0;
  uint64_t number = 0;
  if (!text.ok() || !absl::SimpleAtoi(std::string(*text), &number)) {
    absl::StrAppend(&problems, key, " is no number: ", text.status().ToString(), "\n");
  }
  return number;
}

void CheckThread(const ReadTransaction& txn, const Keyspace& keyspace, int thread,
                 ThreadModel& model, Ledger::Thread& ledger, std::string& problems) {
  const uint64_t found = NumberAt(txn, keyspace, LastKey(thread), problems);
  const uint64_t acknowledged = ledger.acknowledged.load();
  const uint64_t attempted = ledger.attempted.load();
  ledger.found.store(found);
  if (found < acknowledged) {
    absl::StrAppend(&problems, "thread ", thread, ": commit ", acknowledged,
                    " was acknowledged, but the last one found is ", found, "\n");
  }
  if (found > attempted) {
    absl::StrAppend(&problems, "thread ", thread, ": commit ", attempted,
                    " was the last attempted, but ", found, " was found\n");
  }
  model.AdvanceTo(found);
  for (int slot = 0; slot < kSlots; ++slot) {
    const absl::StatusOr<std::string_view> value = txn.Get(keyspace, SlotKey(thread, slot));
    const std::optional<std::string> expected = model.Value(slot);
    const bool right =
        expected.has_value() ? value.ok() && *value == *expected : absl::IsNotFound(value.status());
    if (!right) {
      absl::StrAppend(&problems, SlotKey(thread, slot), " after commit ", found,
                      " is not what it should be (", value.status().ToString(), ")\n");
    }
  }
  const absl::StatusOr<uint64_t> entries = txn.Count(keyspace, KeysOf(thread));
  if (!entries.ok() || *entries != model.Entries()) {
    absl::StrAppend(&problems, "thread ", thread, ": not the ", model.Entries(),
                    " keys that it should have\n");
  }
}

void CheckBatch(const ReadTransaction& txn, const Keyspace& keyspace, const ThreadModel& model,
                std::string& problems) {
  const std::optional<ThreadModel::Batch>& batch = model.batch();
  const uint64_t expected = batch.has_value() ? static_cast<uint64_t>(batch->entries) : 0;
  const absl::StatusOr<uint64_t> entries = txn.Count(keyspace, BatchKeys());
  if (!entries.ok() || *entries != expected) {
    absl::StrAppend(&problems, "after commit ", model.number(), " of its thread, the batch has ",
                    entries.value_or(0), " entries and not ", expected, "\n");
  }
  for (int entry = 0; batch.has_value() && entry < batch->entries; ++entry) {
    const absl::StatusOr<std::string_view> value =
        txn.Get(keyspace, BatchKey(batch->number, entry));
    if (!value.ok() || *value != model.BatchValue(entry)) {
      absl::StrAppend(&problems, BatchKey(batch->number, entry), " is not what it should be (",
                      value.status().ToString(), ")\n");
      return;
    }
  }
}

std::string Check(Database& db, ThreadModels& models, Ledger& ledger) {
  const absl::StatusOr<ReadTransaction> txn = db.BeginRead();
  if (!txn.ok()) return txn.status().ToString();
  std::string problems;
  const Keyspace keyspace = db.default_keyspace();
  uint64_t transactions = 0;
  for (int i = 0; i < kWriterThreads; ++i) {
    const auto index = static_cast<size_t>(i);
    Ledger::Thread& thread = ledger.threads[index];
    CheckThread(*txn, keyspace, i, models[index], thread, problems);
    transactions += models[index].transactions();
  }
  CheckBatch(*txn, keyspace, models[kAppendingThread], problems);
  const uint64_t total = NumberAt(*txn, keyspace, kTotalKey, problems);
  if (total != transactions) {
    absl::StrAppend(&problems, "transactions are missing in the middle: of ", total, ", ",
                    transactions, " are found\n");
  }
  return problems + VerifyProblems(db);
}

}  // namespace

ThreadModels NewModels(uint64_t seed) {
  ThreadModels models;
  for (int i = 0; i < kWriterThreads; ++i) models.emplace_back(seed, i);
  return models;
}

std::string CheckInChild(const std::string& path, uint64_t seed, Ledger& ledger, AfterCheck after) {
  ThreadModels models = NewModels(seed);
  return CheckInChild(path, models, ledger, after);
}

std::string CheckInChild(const std::string& path, ThreadModels& models, Ledger& ledger,
                         AfterCheck after) {
  std::string problems = InChild([&]() -> std::string {
    alarm(kPatienceSeconds);
    absl::StatusOr<Database> opened = Database::Open(path, WriterOptions());
    if (!opened.ok()) return absl::StrCat("Open: ", opened.status().ToString());
    auto db = std::make_unique<Database>(*std::move(opened));
    const std::string found = Check(*db, models, ledger);
    if (after == AfterCheck::kClose) return found + std::string(db->Close().message());
    static_cast<void>(db.release());
    return found;
  });
  // What the child learned, it learned for itself alone.
  for (size_t i = 0; i < models.size(); ++i) models[i].AdvanceTo(ledger.threads[i].found.load());
  // The next writer's attempts begin with what is there now.
  for (Ledger::Thread& thread : ledger.threads) {
    thread.attempted.store(thread.found.load());
    thread.acknowledged.store(thread.found.load());
  }
  return problems;
}

}  // namespace espalier::testing
