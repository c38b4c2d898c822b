// bench DATABASE: a quick benchmark on a new database at that path, which is removed afterwards.
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "absl/strings/str_format.h"
#include "tools/cli/long_work.h"
#include "tools/cli/render.h"
#include "tools/quick_bench/quick_bench.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct BenchArguments {
  BenchOptions options;
  bool keep = false;
  uint32_t page_size_bytes = 4096;
};

bool Exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

// The data file and its companions.
std::vector<std::string> FilesOf(const std::string& database_path) {
  return {database_path, database_path + "-wal", database_path + "-lock"};
}

absl::Status CheckNothingIsThere(const std::string& database_path) {
  for (const std::string& path : FilesOf(database_path)) {
    if (Exists(path))
      return absl::UnavailableError(path + ": there is a file; bench needs a path of its own");
  }
  return absl::OkStatus();
}

void Remove(const std::string& database_path) {
  for (const std::string& path : FilesOf(database_path)) unlink(path.c_str());
}

absl::StatusOr<std::vector<BenchRow>> RunOn(Database& db, const BenchOptions& options) {
  std::optional<LongWork> work;
  std::string current;
  return RunQuickBench(db, options, [&](const std::string& row, uint64_t done, uint64_t total) {
    if (!work || row != current) {
      work.reset();
      work.emplace(row, ProgressBar::Unit::kItems);
      current = row;
    }
    return work->Step(done, total);
  });
}

std::string ToText(const std::vector<BenchRow>& rows, const BenchOptions& options,
                   uint64_t file_bytes) {
  std::string text =
      absl::StrFormat("%s entries, keys of 16 bytes, values of %d bytes, one thread, one run\n\n",
                      FormatCount(options.entries), options.value_bytes);
  for (const BenchRow& row : rows) {
    const std::string rate =
        row.operations > 1 ? FormatRate(static_cast<double>(row.operations) / row.duration.count())
                           : "";
    text += absl::StrFormat("%-34s %12s  %10s  %10s\n", row.name, FormatCount(row.operations),
                            FormatDuration(row.duration), rate);
  }
  return text + absl::StrFormat("%-34s %12s\n", "file", FormatBytes(file_bytes));
}

Json ToJson(const std::vector<BenchRow>& rows, const BenchOptions& options, uint64_t file_bytes) {
  Json object;
  object["entries"] = options.entries;
  object["value_bytes"] = options.value_bytes;
  object["file_bytes"] = file_bytes;
  object["rows"] = Json::array();
  for (const BenchRow& row : rows) {
    object["rows"].push_back(
        {{"name", row.name},
         {"operations", row.operations},
         {"seconds", row.duration.count()},
         {"per_second", static_cast<double>(row.operations) / row.duration.count()}});
  }
  return object;
}

absl::StatusOr<ExitCode> RunOnNewDatabase(Invocation& invocation, const BenchArguments& arguments) {
  absl::StatusOr<Database> db = OpenOrCreate(invocation, arguments.page_size_bytes);
  if (!db.ok()) return db.status();
  const absl::StatusOr<std::vector<BenchRow>> rows = RunOn(*db, arguments.options);
  if (!rows.ok()) return rows.status();
  const absl::StatusOr<Stats> stats = db->GetStats();
  if (!stats.ok()) return stats.status();
  if (absl::Status status = db->Close(); !status.ok()) return status;
  invocation.output.Write(invocation.json
                              ? JsonDocument(ToJson(*rows, arguments.options, stats->file_bytes))
                              : ToText(*rows, arguments.options, stats->file_bytes));
  return ExitCode::kFine;
}

absl::StatusOr<ExitCode> Bench(Invocation& invocation, const BenchArguments& arguments) {
  const std::string& path = invocation.database_path;
  if (absl::Status status = CheckNothingIsThere(path); !status.ok()) return status;
  absl::StatusOr<ExitCode> code = RunOnNewDatabase(invocation, arguments);
  if (!arguments.keep) Remove(path);
  return code;
}

}  // namespace

Verb AddBench(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* verb =
      AddVerb(app, "bench", "Measure on a new database at DATABASE, which is removed afterwards",
              invocation);
  verb->add_option("--entries", arguments->options.entries, "Number of entries; default 1,000,000")
      ->type_name("NUMBER")
      ->check(CLI::Range(uint64_t{1}, uint64_t{10'000'000'000}));
  verb->add_option("--value-bytes", arguments->options.value_bytes, "Size of a value; default 100")
      ->type_name("BYTES")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 30));
  verb->add_flag("--keep", arguments->keep, "Leave the database there");
  AddPageSizeOption(*verb, &arguments->page_size_bytes);
  AddJsonOption(*verb, invocation);
  verb->footer(
      "A quick look; the comparison with other engines is tools/dev bench. Commits are not "
      "flushed\n"
      "one by one: they become durable with a checkpoint.");
  return {verb, [&invocation, arguments] { return Bench(invocation, *arguments); }};
}

}  // namespace espalier::tools
