#include "bench/steps/load_steps.h"

#include "bench/steps/stopwatch.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kPutsPerTransaction = 1'000;

}  // namespace

double AppendAll(Workbench& bench, const StepOptions&) {
  const Dataset& dataset = bench.dataset();
  Stopwatch stopwatch;
  bench.database->BeginAppend();
  for (uint32_t index : bench.workload.sorted_order) {
    bench.database->Append(Dataset::KeyOf(index), dataset.ValueOf(index));
  }
  bench.database->FinishAppend();
  return static_cast<double>(dataset.record_count()) / stopwatch.Seconds();
}

double PutAll(Workbench& bench, const StepOptions&) {
  const Dataset& dataset = bench.dataset();
  std::unique_ptr<Session> session = bench.database->NewSession();
  Stopwatch stopwatch;
  for (uint64_t index = 0; index < dataset.record_count();) {
    uint64_t end = std::min(index + kPutsPerTransaction, dataset.record_count());
    session->BeginWrite();
    for (; index < end; ++index) session->Put(Dataset::KeyOf(index), dataset.ValueOf(index));
    session->Commit();
  }
  return static_cast<double>(dataset.record_count()) / stopwatch.Seconds();
}

}  // namespace espalier::bench
