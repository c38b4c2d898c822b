// bench: runs the same workloads on Espalier and its rivals and reports what they did. See
// bench/README.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/report/output.h"
#include "bench/run/interruption.h"
#include "bench/run/runner.h"
#include "bench/run/selection.h"

namespace espalier::bench {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitEnvironment = 4;
constexpr int kExitInterrupted = 130;

struct Arguments {
  RunOptions run;
  std::vector<std::string> row_globs;  // empty: by the two flags
  std::vector<std::string> engine_globs = {"*"};
  bool quick = false;
  bool durable = false;
  bool list = false;
  std::string render_path;
  OutputPaths output;
};

// All rows on all engines within five minutes: for a look, not for figures to publish.
void MakeQuick(RunOptions& options) {
  options.record_count = 250'000;
  options.repetitions = 1;
  options.seconds = 0.5;
  options.write_seconds = 0.5;
  options.largest_database_bytes = 100'000'000;
  options.warmup_seconds = 0.1;
}

int Fail(const absl::Status& status, int exit_code) {
  std::fprintf(stderr, "bench: %s\n", std::string(status.message()).c_str());
  return exit_code;
}

int Finish(const absl::StatusOr<Results>& results, const OutputPaths& output) {
  if (!results.ok())
    return Fail(results.status(),
                absl::IsCancelled(results.status()) ? kExitInterrupted : kExitEnvironment);
  absl::Status written = WriteOutput(*results, output);
  return written.ok() ? 0 : Fail(written, kExitEnvironment);
}

int List() {
  for (const Row& row : AllRows()) {
    std::printf("%-16s %s\n", std::string(row.name).c_str(), std::string(row.title).c_str());
  }
  for (const Adapter& engine : AllAdapters()) {
    std::printf("%-16s %s\n", std::string(engine.name).c_str(), engine.version().c_str());
  }
  return 0;
}

// The durable rows take nearly as long as all others together, so they are a run of their own; but
// a quick run is of all.
absl::StatusOr<std::vector<const Row*>> RowsOf(const Arguments& arguments) {
  if (!arguments.row_globs.empty()) return ChooseRows(arguments.row_globs);
  const bool all = arguments.quick && !arguments.durable;
  std::vector<const Row*> rows;
  for (const Row& row : AllRows()) {
    if (all || row.is_durable() == arguments.durable) rows.push_back(&row);
  }
  return rows;
}

int Run(Arguments arguments) {
  if (arguments.list) return List();
  if (!arguments.render_path.empty())
    return Finish(ReadResults(arguments.render_path), arguments.output);
  absl::StatusOr<std::vector<const Row*>> rows = RowsOf(arguments);
  if (!rows.ok()) return Fail(rows.status(), kExitUsage);
  absl::StatusOr<std::vector<const Adapter*>> engines = ChooseEngines(arguments.engine_globs);
  if (!engines.ok()) return Fail(engines.status(), kExitUsage);
  arguments.run.rows = *rows;
  arguments.run.engines = *engines;
  CatchInterruption();
  return Finish(RunBenchmark(arguments.run), arguments.output);
}

}  // namespace
}  // namespace espalier::bench

int main(int argc, char** argv) {
  espalier::bench::Arguments arguments;
  espalier::bench::RunOptions& run = arguments.run;
  CLI::App app("Runs the same workloads on Espalier and its rivals.");
  app.add_flag_callback(
         "--quick",
         [&] {
           arguments.quick = true;
           espalier::bench::MakeQuick(run);
         },
         "all rows, few records, one repetition: under five minutes")
      ->trigger_on_parse();
  app.add_flag("--durable", arguments.durable,
               "the rows about what survives, instead of those with sync off");
  app.add_option("--rows", arguments.row_globs, "rows to run: names or globs, comma-separated")
      ->delimiter(',');
  app.add_option("--engines", arguments.engine_globs, "engines to run, likewise")->delimiter(',');
  app.add_flag("--list", arguments.list, "list rows and engines");
  app.add_option("--records", run.record_count, "records")
      ->check(CLI::Range(1'000, 1'000'000'000))
      ->capture_default_str();
  app.add_option("--repetitions", run.repetitions, "repetitions")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seconds", run.seconds,
                 "measured seconds a cell and repetition of rows that read")
      ->capture_default_str();
  app.add_option("--write-seconds", run.write_seconds, "the same of rows that write")
      ->capture_default_str();
  app.add_option("--warmup", run.warmup_seconds, "seconds of warm-up before")
      ->capture_default_str();
  app.add_option("--dir", run.parent_directory, "where the databases go")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--seed", run.seed, "seed of all random orders")->capture_default_str();
  app.add_option("--render", arguments.render_path,
                 "run nothing, take the results from this JSON file");
  app.add_option("--json", arguments.output.json, "write the results to this file");
  app.add_option("--svg", arguments.output.svg, "write the chart to this file");
  app.add_option("--markdown", arguments.output.markdown, "write the report to this file");
  app.add_option("--readme", arguments.output.readme,
                 "put the results into this file, between its marks");
  app.add_option("--marks", arguments.output.marks, "their name")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return espalier::bench::Run(std::move(arguments));
}
