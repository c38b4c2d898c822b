// bench: runs the same workloads on Espalier and its rivals and reports what they did. See bench/README.md.
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "bench/report/markdown.h"
#include "bench/report/results.h"
#include "bench/run/interruption.h"
#include "bench/run/runner.h"

namespace espalier::bench {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitEnvironment = 4;
constexpr int kExitInterrupted = 130;

struct Arguments {
  RunOptions run;
  std::vector<std::string> row_globs = {"*"};
  std::vector<std::string> engine_globs = {"*"};
  std::string json_path;
  std::string markdown_path;
};

// The members of `all` whose name matches one of the globs, in the order of `all`. Empty when a glob matches none.
template <class Named>
std::vector<const Named*> Choose(std::span<const Named> all, const std::vector<std::string>& globs) {
  std::vector<const Named*> chosen;
  auto matches = [](const Named& item, const std::string& glob) {
    return fnmatch(glob.c_str(), std::string(item.name).c_str(), 0) == 0;
  };
  for (const std::string& glob : globs) {
    if (std::none_of(all.begin(), all.end(), [&](const Named& item) { return matches(item, glob); })) {
      std::fprintf(stderr, "bench: nothing is called %s; there are", glob.c_str());
      for (const Named& item : all) std::fprintf(stderr, " %s", std::string(item.name).c_str());
      std::fprintf(stderr, "\n");
      return {};
    }
  }
  for (const Named& item : all) {
    if (std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) { return matches(item, glob); })) {
      chosen.push_back(&item);
    }
  }
  return chosen;
}

bool WriteFile(const std::string& path, const std::string& text) {
  if (path.empty()) return true;
  std::ofstream stream(path);
  stream << text;
  stream.close();
  if (!stream) std::fprintf(stderr, "bench: cannot write %s\n", path.c_str());
  return static_cast<bool>(stream);
}

int Run(Arguments arguments) {
  arguments.run.rows = Choose(AllRows(), arguments.row_globs);
  arguments.run.engines = Choose(AllAdapters(), arguments.engine_globs);
  if (arguments.run.rows.empty() || arguments.run.engines.empty()) return kExitUsage;
  CatchInterruption();
  absl::StatusOr<Results> results = RunBenchmark(arguments.run);
  if (!results.ok()) {
    std::fprintf(stderr, "bench: %s\n", std::string(results.status().message()).c_str());
    return absl::IsCancelled(results.status()) ? kExitInterrupted : kExitEnvironment;
  }
  std::fputs(MarkdownReport(*results).c_str(), stdout);
  bool written = WriteFile(arguments.json_path, ToJson(*results)) &&
                 WriteFile(arguments.markdown_path, MarkdownReport(*results));
  return written ? 0 : kExitEnvironment;
}

}  // namespace
}  // namespace espalier::bench

int main(int argc, char** argv) {
  espalier::bench::Arguments arguments;
  CLI::App app("Runs the same workloads on Espalier and its rivals.");
  app.add_option("--rows", arguments.row_globs, "rows to run, by name or glob")->delimiter(',');
  app.add_option("--engines", arguments.engine_globs, "engines to run, by name or glob")->delimiter(',');
  app.add_option("--records", arguments.run.record_count, "records")->check(CLI::PositiveNumber);
  app.add_option("--repetitions", arguments.run.repetitions, "repetitions")->check(CLI::PositiveNumber);
  app.add_option("--seconds", arguments.run.seconds, "measured seconds a row, engine and repetition");
  app.add_option("--warmup", arguments.run.warmup_seconds, "seconds of warm-up before");
  app.add_option("--dir", arguments.run.parent_directory, "where the databases go")->check(CLI::ExistingDirectory);
  app.add_option("--seed", arguments.run.seed, "seed of all random orders");
  app.add_option("--json", arguments.json_path, "write the results here");
  app.add_option("--markdown", arguments.markdown_path, "write the report here");
  CLI11_PARSE(app, argc, argv);
  return espalier::bench::Run(arguments);
}
