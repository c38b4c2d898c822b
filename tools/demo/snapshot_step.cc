#include "tools/demo/snapshot_step.h"

#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tools/cli/stopwatch.h"
#include "tools/demo/comparison.h"

namespace espalier::tools {
namespace {

constexpr uint64_t kChangesPerTransaction = 100;
constexpr size_t kChangeEvery = 4;  // one path in four gets a new value
constexpr char kDeletedPrefix[] = "/usr/share/doc/";

// What the writer does: new values for some paths, and the documentation deleted.
struct Plan {
  std::vector<std::pair<std::string, std::string>> puts;
};

Plan MakePlan(const Inventory& inventory) {
  Plan plan;
  size_t index = 0;
  for (const auto& [path, value] : inventory) {
    if (index++ % kChangeEvery == 0) plan.puts.emplace_back(path, value + " (changed)");
  }
  return plan;
}

void ApplyPlan(const Plan& plan, Inventory& inventory) {
  for (const auto& [path, value] : plan.puts) inventory[path] = value;
  const InventoryRange documentation = WithPrefix(inventory, kDeletedPrefix);
  inventory.erase(documentation.begin, documentation.end);
}

struct Written {
  absl::Status status;
  uint64_t changes = 0;
  uint64_t deleted = 0;
  uint64_t commits = 0;
  Seconds duration{0};
};

absl::Status PutAll(Database& db, const Plan& plan, Written& written) {
  for (size_t next = 0; next < plan.puts.size();) {
    absl::StatusOr<WriteTransaction> txn = db.BeginWrite();
    if (!txn.ok()) return txn.status();
    for (uint64_t i = 0; i < kChangesPerTransaction && next < plan.puts.size(); ++i, ++next) {
      absl::Status status =
          txn->Put(db.default_keyspace(), plan.puts[next].first, plan.puts[next].second);
      if (!status.ok()) return status;
    }
    const absl::StatusOr<CommitToken> token = txn->Commit();
    if (!token.ok()) return token.status();
    ++written.commits;
  }
  written.changes = plan.puts.size();
  return absl::OkStatus();
}

absl::Status DeleteDocumentation(Database& db, Written& written) {
  absl::StatusOr<WriteTransaction> txn = db.BeginWrite();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<uint64_t> deleted =
      txn->DeleteRange(db.default_keyspace(), KeyRange::Prefix(kDeletedPrefix));
  if (!deleted.ok()) return deleted.status();
  written.deleted = *deleted;
  const absl::StatusOr<CommitToken> token = txn->Commit();
  if (!token.ok()) return token.status();
  ++written.commits;
  return absl::OkStatus();
}

Written CarryOut(Database& db, const Plan& plan) {
  Written written;
  const Stopwatch stopwatch;
  written.status = PutAll(db, plan, written);
  if (written.status.ok()) written.status = DeleteDocumentation(db, written);
  written.duration = stopwatch.Elapsed();
  return written;
}

// Reads the whole snapshot again and again while `writing`, and once after; the number of passes.
absl::StatusOr<uint64_t> ReadWhile(const std::atomic<bool>& writing,
                                   const ReadTransaction& snapshot, const Keyspace& keyspace,
                                   const Inventory& expected, uint64_t& differences) {
  for (uint64_t passes = 1;; ++passes) {
    const bool last = !writing;
    const absl::StatusOr<uint64_t> found = CountDifferences(snapshot, keyspace, expected);
    if (!found.ok()) return found.status();
    differences += *found;
    if (last) return passes;
  }
}

absl::Status CheckNewestVersion(Database& db, const Inventory& expected, DemoReport& report) {
  const absl::StatusOr<ReadTransaction> txn = db.BeginRead();
  if (!txn.ok()) return txn.status();
  const auto differences = CountDifferences(*txn, db.default_keyspace(), expected);
  if (!differences.ok()) return differences.status();
  report.Check("a new reader sees every change", *differences == 0);
  return absl::OkStatus();
}

uint64_t PinnedBytes(const Database& db) {
  uint64_t pinned = 0;
  if (const absl::StatusOr<Stats> stats = db.GetStats(); stats.ok()) {
    for (const ReaderStats& reader : stats->readers) pinned += reader.pinned_bytes;
  }
  return pinned;
}

}  // namespace

absl::Status HoldSnapshotWhileWriting(Database& db, Inventory& expected, DemoReport& report) {
  absl::StatusOr<ReadTransaction> snapshot = db.BeginRead();
  if (!snapshot.ok()) return snapshot.status();
  const Plan plan = MakePlan(expected);

  std::atomic<bool> writing = true;
  Written written;
  std::thread writer([&] {
    written = CarryOut(db, plan);
    writing = false;
  });
  uint64_t differences = 0;
  const absl::StatusOr<uint64_t> passes =
      ReadWhile(writing, *snapshot, db.default_keyspace(), expected, differences);
  writer.join();
  if (!written.status.ok()) return written.status;
  if (!passes.ok()) return passes.status();

  report.Rate("values changed meanwhile", written.changes, written.duration);
  report.Figure("transactions", FormatCount(written.commits));
  report.Figure("paths deleted with one call", FormatCount(written.deleted), kDeletedPrefix);
  report.Figure("whole snapshot read meanwhile", FormatCount(*passes),
                *passes == 1 ? "time" : "times");
  report.Figure("pinned by the snapshot", FormatBytes(PinnedBytes(db)));
  report.Check(
      "the snapshot saw none of it, " + FormatPlural(expected.size(), "path") + " each time",
      differences == 0);
  snapshot->End();

  ApplyPlan(plan, expected);
  return CheckNewestVersion(db, expected, report);
}

}  // namespace espalier::tools
