#include "bench/steps/write_steps.h"

#include "bench/steps/stopwatch.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kPutsPerBatch = 100;

}  // namespace

void PutInTransaction(Session& session, const Dataset& dataset, uint64_t index,
                      uint64_t generation) {
  session.BeginWrite();
  session.Put(Dataset::KeyOf(index), dataset.ValueOf(index, generation));
  session.Commit();
}

double PutOne(Workbench& bench, const StepOptions& options) {
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed);
  uint64_t generation = options.seed;
  return WarmRatePerSecond(options.warmup_seconds, options.seconds, [&] {
    for (uint64_t i = 0; i < kPutsPerBatch; ++i) {
      PutInTransaction(*session, bench.dataset(), random.Below(bench.dataset().record_count()),
                       ++generation);
    }
    return kPutsPerBatch;
  });
}

}  // namespace espalier::bench
