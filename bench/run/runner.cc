#include "bench/run/runner.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/report/format.h"
#include "bench/report/machine.h"
#include "bench/run/progress.h"
#include "bench/run/scratch_directory.h"
#include "bench/run/stages.h"
#include "bench/run/status_macros.h"
#include "bench/run/warm_memory.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kZipfianDraws = 4'000'000;
constexpr uint64_t kGrowthRecords = 100'000;
constexpr uint64_t kDeviceRecords = 200'000;

bool HasDurable(const std::vector<const Row*>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const Row* row) { return row->is_durable(); });
}

// Those of the rows without sync, and then what is different in durable rows.
Settings SettingsOf(const Adapter& engine, OpenOptions open, const std::vector<const Row*>& rows) {
  Settings settings = engine.settings(open);
  if (!HasDurable(rows)) return settings;
  open.durable = true;
  const Settings plain = settings;
  for (const auto& setting : engine.settings(open)) {
    if (std::find(plain.begin(), plain.end(), setting) == plain.end())
      settings.emplace_back(absl::StrCat(setting.first, ", durable rows"), setting.second);
  }
  return settings;
}

std::vector<ResultBar> BarsOf(const Row& row) {
  std::vector<ResultBar> bars;
  for (const Bar& bar : row.bars) {
    if (bar.factor > 0) bars.push_back({bar.factor, std::string(bar.reference)});
  }
  return bars;
}

Results EmptyResults(const RunOptions& options) {
  Results results;
  results.machine = DescribeMachine(options.parent_directory);
  results.run = {
      {"records", FormatCount(options.record_count)},
      {"key bytes", absl::StrCat(kKeySizeBytes)},
      {"value bytes", absl::StrCat(options.value_size_bytes)},
      {"repetitions", absl::StrCat(options.repetitions)},
      {"seconds a cell",
       absl::StrCat(options.seconds, " where it reads, ", options.write_seconds,
                    " where it writes, after ", options.warmup_seconds, " of warm-up")},
      {"seed", absl::StrCat(options.seed)},
      {"sync", "off everywhere but in durable rows"},
  };
  OpenOptions open{.directory = "",
                   .data_bytes = options.record_count * (kKeySizeBytes + options.value_size_bytes)};
  for (const Adapter* engine : options.engines) {
    results.engines.push_back({std::string(engine->name), engine->version(),
                               engine->commits_survive_process_death,
                               SettingsOf(*engine, open, options.rows)});
  }
  if (HasDurable(options.rows)) {
    results.engines.push_back({.name = std::string(kDeviceName),
                               .version = FileSystem(options.parent_directory),
                               .commits_survive_process_death = true,
                               .settings = {}});
  }
  for (const Row* row : options.rows) {
    results.rows.push_back({.name = std::string(row->name),
                            .title = std::string(row->title),
                            .unit = std::string(row->unit),
                            .is_durable = row->is_durable(),
                            .bars = BarsOf(*row),
                            .cells = {}});
  }
  return results;
}

}  // namespace

absl::StatusOr<Results> RunBenchmark(const RunOptions& options) {
  Results results = EmptyResults(options);
  Progress progress;
  ASSIGN_OR_RETURN(std::unique_ptr<ScratchDirectory> scratch,
                   ScratchDirectory::Create(options.parent_directory));
  Workload workload(options.record_count, options.value_size_bytes, kZipfianDraws);
  Workload growth_workload(kGrowthRecords, options.value_size_bytes, 0);
  Workload device_workload(kDeviceRecords, options.value_size_bytes, 0);
  WarmMemory warm_memory;
  results.run.emplace_back("memory kept warm",
                           absl::StrCat(warm_memory.bytes() >> 20, " MiB, given to the engines"));
  Random random(options.seed);
  for (uint64_t number = 1; number <= options.repetitions; ++number) {
    progress.Say(absl::StrCat("repetition ", number, " of ", options.repetitions));
    Contest contest(options, *scratch, warm_memory, random.Next(), progress, results);
    RETURN_IF_ERROR(RunSortedLoads(contest, workload));
    RETURN_IF_ERROR(RunSharedDatabase(contest, workload));
    RETURN_IF_ERROR(RunGrowth(contest, growth_workload));
    RETURN_IF_ERROR(RunWriteAmplification(contest, device_workload));
    RETURN_IF_ERROR(RunDurable(contest, workload));
    RETURN_IF_ERROR(RunRecovery(contest));
  }
  return results;
}

}  // namespace espalier::bench
