#include "tools/demo/demo.h"

#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "espalier/database.h"
#include "espalier/version.h"
#include "tools/cli/interruption.h"
#include "tools/cli/long_work.h"
#include "tools/cli/stopwatch.h"
#include "tools/demo/comparison.h"
#include "tools/demo/demo_report.h"
#include "tools/demo/kill_step.h"
#include "tools/demo/package_files.h"
#include "tools/demo/reading_steps.h"
#include "tools/demo/snapshot_step.h"

namespace espalier::tools {
namespace {

struct DemoInput {
  std::vector<Package> packages;
  Inventory inventory;
};

uint64_t CountPaths(const std::vector<Package>& packages) {
  uint64_t paths = 0;
  for (const Package& package : packages) paths += package.paths.size();
  return paths;
}

uint64_t CountBytes(const Inventory& inventory) {
  uint64_t bytes = 0;
  for (const auto& [path, value] : inventory) bytes += path.size() + value.size();
  return bytes;
}

absl::StatusOr<DemoInput> ReadInput(const std::string& package_lists, DemoReport& report) {
  report.Section("Look at the installed packages in " + package_lists);
  const Stopwatch stopwatch;
  DemoInput input;
  absl::StatusOr<std::vector<Package>> packages = ReadPackageLists(package_lists);
  if (!packages.ok()) return packages.status();
  input.packages = *std::move(packages);
  bool complete = true;
  {
    LongWork work("lstat", ProgressBar::Unit::kItems);
    input.inventory = TakeInventory(input.packages, [&](uint64_t done, uint64_t total) {
      return complete = work.Step(done, total);
    });
  }
  if (!complete) return LongWork::InterruptedError();
  report.Figure("packages", FormatCount(input.packages.size()));
  report.Figure("lines in their lists", FormatCount(CountPaths(input.packages)));
  report.Figure("distinct paths", FormatCount(input.inventory.size()),
                FormatDuration(stopwatch.Elapsed()) + " with one lstat each");
  report.Figure("keys and values", FormatBytes(CountBytes(input.inventory)));
  return input;
}

// The size as the inventory has it: the file system may have changed since.
std::string_view SizeText(const Inventory& inventory, const std::string& path) {
  const std::string_view value = inventory.find(path)->second;
  return value.substr(value.rfind('\t') + 1);
}

// One package in one transaction, as a package manager would do it.
absl::Status LoadPackage(Database& db, const Package& package, const Inventory& inventory) {
  absl::StatusOr<WriteTransaction> txn = db.BeginWrite();
  if (!txn.ok()) return txn.status();
  const Keyspace keyspace = db.default_keyspace();
  for (const std::string& path : package.paths) {
    const absl::StatusOr<std::string_view> value = txn->Get(keyspace, path);
    if (!value.ok() && !absl::IsNotFound(value.status())) return value.status();
    const std::optional<std::string_view> known =
        value.ok() ? std::optional<std::string_view>(*value) : std::nullopt;
    absl::Status status =
        txn->Put(keyspace, path, WithOwner(known, package.name, SizeText(inventory, path)));
    if (!status.ok()) return status;
  }
  return txn->Commit().status();
}

absl::Status Load(Database& db, const std::vector<Package>& packages, const Inventory& inventory,
                  DemoReport& report) {
  const uint64_t total = CountPaths(packages);
  uint64_t loaded = 0;
  const Stopwatch stopwatch;
  LongWork work("load", ProgressBar::Unit::kItems);
  for (const Package& package : packages) {
    if (absl::Status status = LoadPackage(db, package, inventory); !status.ok()) return status;
    loaded += package.paths.size();
    if (!work.Step(loaded, total)) return LongWork::InterruptedError();
  }
  const Seconds duration = stopwatch.Elapsed();
  const absl::StatusOr<uint64_t> count = db.Count(db.default_keyspace());
  if (!count.ok()) return count.status();
  report.Rate("paths read and written", loaded, duration);
  report.Figure("transactions", FormatCount(packages.size()));
  report.Figure("entries", FormatCount(*count));
  report.Check("as many entries as distinct paths", *count == inventory.size());
  return absl::OkStatus();
}

absl::Status TakeCheckpoint(Database& db, const Inventory& expected, DemoReport& report) {
  const Stopwatch stopwatch;
  if (absl::Status status = db.Checkpoint(); !status.ok()) return status;
  const Seconds duration = stopwatch.Elapsed();
  const absl::StatusOr<Stats> stats = db.GetStats();
  if (!stats.ok()) return stats.status();
  report.Figure("checkpoint", FormatDuration(duration));
  report.Figure("file", FormatBytes(stats->file_bytes),
                "for " + FormatBytes(CountBytes(expected)) + " of keys and values");
  report.Check("the newest version is the durable one",
               stats->checkpoint_version == stats->newest_version);
  return absl::OkStatus();
}

// Closes `db` and opens it again.
absl::Status Reopen(std::optional<Database>& db, const Inventory& expected, DemoReport& report) {
  const std::string path = db->path();
  const Stopwatch closing;
  if (absl::Status status = db->Close(); !status.ok()) return status;
  report.Figure("close", FormatDuration(closing.Elapsed()));
  db.reset();

  const Stopwatch opening;
  absl::StatusOr<Database> opened = Database::Open(path, {.create_if_missing = false});
  if (!opened.ok()) return opened.status();
  report.Figure("open", FormatDuration(opening.Elapsed()));
  db.emplace(*std::move(opened));

  const absl::StatusOr<ReadTransaction> txn = db->BeginRead();
  if (!txn.ok()) return txn.status();
  const Stopwatch reading;
  const auto differences = CountDifferences(*txn, db->default_keyspace(), expected);
  if (!differences.ok()) return differences.status();
  report.Rate("entries read and compared", expected.size(), reading.Elapsed());
  report.Check("every change survived", *differences == 0);
  return absl::OkStatus();
}

absl::Status CompactFile(Database& db, DemoReport& report) {
  const Stopwatch stopwatch;
  absl::StatusOr<CompactResult> result;
  {
    LongWork work("compact", ProgressBar::Unit::kItems);
    result = db.Compact(work.Callback());
  }
  if (!result.ok()) return LongWork::Explain(result.status());
  report.Figure("file before", FormatBytes(result->file_bytes_before));
  report.Figure("file after", FormatBytes(result->file_bytes_after),
                FormatDuration(stopwatch.Elapsed()));
  report.Check("the file has not grown", result->file_bytes_after <= result->file_bytes_before);
  return absl::OkStatus();
}

absl::Status VerifyFile(Database& db, const Inventory& expected, DemoReport& report) {
  const Stopwatch stopwatch;
  absl::StatusOr<VerifyReport> verified;
  {
    LongWork work("verify", ProgressBar::Unit::kItems);
    verified = db.Verify(work.Callback());
  }
  if (!verified.ok()) return LongWork::Explain(verified.status());
  report.Rate("pages", verified->pages, stopwatch.Elapsed());
  report.Figure("leaf pages", FormatCount(verified->leaf_pages));
  report.Figure("inner pages", FormatCount(verified->inner_pages));
  report.Figure("large-value pages", FormatCount(verified->large_value_pages));
  report.Figure("free pages", FormatCount(verified->free_pages));
  for (const std::string& problem : verified->problems) report.Figure("problem", "", problem);
  report.Check("every checksum, bound, order and count is right", verified->ok());
  report.Check("as many entries as there should be", verified->entries == expected.size());
  return absl::OkStatus();
}

absl::Status RunSteps(std::optional<Database>& db, Inventory& expected,
                      const std::vector<Package>& packages, DemoReport& report) {
  const std::pair<const char*, std::function<absl::Status()>> steps[] = {
      {"Load them: a transaction a package, each path read, extended, written",
       [&] { return Load(*db, packages, expected, report); }},
      {"Read single paths", [&] { return ReadPoints(*db, expected, report); }},
      {"Read directories: prefixes, counts, positions",
       [&] { return ReadPrefixesAndCounts(*db, expected, report); }},
      {"Hold a snapshot while a writer goes on",
       [&] { return HoldSnapshotWhileWriting(*db, expected, report); }},
      {"Checkpoint: make it durable", [&] { return TakeCheckpoint(*db, expected, report); }},
      {"Close, open again, read everything", [&] { return Reopen(db, expected, report); }},
      {"Compact: repack the pages, give the space of what was deleted back",
       [&] { return CompactFile(*db, report); }},
      {"Verify the whole file", [&] { return VerifyFile(*db, expected, report); }}};
  // Between the steps, so that an interrupted demo leaves no database behind.
  const InterruptionWatch watch;
  for (const auto& [title, step] : steps) {
    report.Section(title);
    if (absl::Status status = step(); !status.ok()) return status;
    if (watch.Interrupted()) return LongWork::InterruptedError();
  }
  return db->Close();
}

}  // namespace

absl::StatusOr<bool> RunDemo(const DemoOptions& options, Output& output) {
  const Stopwatch stopwatch;
  DemoReport report(output);
  report.Title(std::string("Espalier ") + VersionString() +
               ": every file of every installed Debian package in one database");
  absl::StatusOr<DemoInput> input = ReadInput(options.package_lists, report);
  if (!input.ok()) return input.status();

  absl::StatusOr<Database> created = Database::Open(options.database_path);
  if (!created.ok()) return created.status();
  std::optional<Database> db(*std::move(created));
  if (absl::Status status = RunSteps(db, input->inventory, input->packages, report); !status.ok())
    return status;
  report.Section("Kill a writer amid its commits, again and again");
  const absl::Status killed = KillWriters(
      {.database_path = options.database_path + "-killed", .seed = options.seed}, report);
  if (!killed.ok()) return killed;
  const bool passed = report.Verdict();
  output.Write("It took " + FormatDuration(stopwatch.Elapsed()) + ".\n");
  return passed;
}

}  // namespace espalier::tools
