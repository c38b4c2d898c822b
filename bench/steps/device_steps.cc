#include "bench/steps/device_steps.h"

#include "bench/steps/write_steps.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kUpdates = 256;

}  // namespace

double RememberBlocks(Workbench& bench, const StepOptions&) {
  bench.blocks_before = FileBlocks::Read(bench.options.directory);
  return 0;
}

double ReadFiles(Workbench& bench, const StepOptions&) {
  ReadThroughPageCache(bench.options.directory);
  return 0;
}

double ScatteredUpdates(Workbench& bench, const StepOptions& options) {
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed);
  for (uint64_t i = 0; i < kUpdates; ++i) {
    PutInTransaction(*session, bench.dataset(), random.Below(bench.dataset().record_count()),
                     options.seed + i);
  }
  bench.database->Flush();
  return 0;
}

double ChangedBytes(Workbench& bench, const StepOptions&) {
  return static_cast<double>(
      FileBlocks::Read(bench.options.directory).ChangedBytesSince(bench.blocks_before));
}

}  // namespace espalier::bench
