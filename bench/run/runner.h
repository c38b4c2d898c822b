// Runs the chosen rows on the chosen engines, all repetitions.
#ifndef ESPALIER_BENCH_RUN_RUNNER_H_
#define ESPALIER_BENCH_RUN_RUNNER_H_

#include "absl/status/statusor.h"
#include "bench/report/results.h"
#include "bench/run/options.h"

namespace espalier::bench {

// An engine that fails leaves its reason in its cell and is left out of the rest of that
// repetition. kCancelled when a signal asked to end; kUnavailable when there is no place to work.
absl::StatusOr<Results> RunBenchmark(const RunOptions& options);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_RUNNER_H_
