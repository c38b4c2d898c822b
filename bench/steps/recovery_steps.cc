#include "bench/steps/recovery_steps.h"

#include "bench/steps/read_steps.h"
#include "bench/steps/stopwatch.h"
#include "espalier/options.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kPutsPerTransaction = 100;
// The engine takes a checkpoint when two thirds of the log are used, and a put takes a few bytes
// more there than its key and value.
constexpr double kShareOfLog = 0.62;

}  // namespace

double FillLog(Workbench& bench, const StepOptions& options) {
  const Dataset& dataset = bench.dataset();
  const double raw_bytes = kShareOfLog * static_cast<double>(espalier::Options().log_size_bytes);
  const double record_bytes =
      static_cast<double>(dataset.raw_bytes()) / static_cast<double>(dataset.record_count());
  const auto puts = static_cast<uint64_t>(raw_bytes / record_bytes);
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed);
  for (uint64_t put = 0; put < puts;) {
    session->BeginWrite();
    for (uint64_t i = 0; i < kPutsPerTransaction; ++i) {
      const uint64_t index = random.Below(dataset.record_count());
      session->Put(Dataset::KeyOf(index), dataset.ValueOf(index, options.seed + ++put));
    }
    session->Commit();
  }
  return 0;
}

double OpenAndGet(Workbench& bench, const StepOptions& options) {
  Random random(options.seed);
  Stopwatch stopwatch;
  bench.database = bench.adapter.open(bench.options);
  std::unique_ptr<Session> session = bench.database->NewSession();
  GetAtRandom(bench, *session, random, 1);
  return stopwatch.Seconds() * 1'000;
}

}  // namespace espalier::bench
