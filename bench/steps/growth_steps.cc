#include "bench/steps/growth_steps.h"

#include "bench/steps/life_steps.h"
#include "bench/steps/write_steps.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kFirstCommits = 50'000;
constexpr uint64_t kAllCommits = 200'000;

double Over(uint64_t bytes, uint64_t base_bytes) {
  return static_cast<double>(bytes) / static_cast<double>(base_bytes);
}

// A transaction each; generations begin above the loaded one.
void CommitPuts(Workbench& bench, uint64_t seed, uint64_t first, uint64_t end) {
  std::unique_ptr<Session> writer = bench.database->NewSession();
  Random random(seed);
  for (uint64_t commit = first; commit < end; ++commit) {
    PutInTransaction(*writer, bench.dataset(), random.Below(bench.dataset().record_count()),
                     commit + 1);
  }
}

}  // namespace

double GrowthAfter50000(Workbench& bench, const StepOptions& options) {
  Growth& growth = bench.growth;
  growth.bytes_at_start = DiskBytes(bench.options.directory);
  bench.database = bench.adapter.open(bench.options);
  growth.idle_reader = bench.database->NewSession();
  growth.idle_reader->BeginRead();
  growth.idle_reader->Scan(Dataset::KeyOf(0), 1);  // pins a view in engines that take it lazily
  CommitPuts(bench, options.seed, 0, kFirstCommits);
  growth.bytes_after_first = DiskBytes(bench.options.directory);
  return Over(growth.bytes_after_first, growth.bytes_at_start);
}

double GrowthAfter200000(Workbench& bench, const StepOptions& options) {
  CommitPuts(bench, options.seed, kFirstCommits, kAllCommits);
  bench.growth.bytes_after_all = DiskBytes(bench.options.directory);
  return Over(bench.growth.bytes_after_all, bench.growth.bytes_at_start);
}

double GrowthFlatness(Workbench& bench, const StepOptions&) {
  bench.growth.idle_reader->EndRead();
  bench.growth.idle_reader.reset();
  return Over(bench.growth.bytes_after_all, bench.growth.bytes_after_first);
}

}  // namespace espalier::bench
