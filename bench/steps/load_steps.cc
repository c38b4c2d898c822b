#include "bench/steps/load_steps.h"

#include <algorithm>

#include "bench/steps/life_steps.h"
#include "bench/steps/stopwatch.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kPutsPerTransaction = 1'000;
// Often enough to see the height of a file that grows and shrinks, and seldom enough (0.1 ms in
// 100 ms and more) not to be seen in the rate.
constexpr uint64_t kPutsPerWeighing = 50'000;

void Weigh(Workbench& bench) {
  bench.peak_load_bytes = std::max(bench.peak_load_bytes, DiskBytes(bench.options.directory));
}

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
    session->BeginPuts();
    for (; index < end; ++index) session->Put(Dataset::KeyOf(index), dataset.ValueOf(index));
    session->Commit();
    if (index % kPutsPerWeighing == 0) Weigh(bench);
  }
  const double rate = static_cast<double>(dataset.record_count()) / stopwatch.Seconds();
  Weigh(bench);
  return rate;
}

double PeakDiskBytesOverRawBytes(Workbench& bench, const StepOptions&) {
  return static_cast<double>(bench.peak_load_bytes) /
         static_cast<double>(bench.dataset().raw_bytes());
}

}  // namespace espalier::bench
