// The stages of a repetition. Each runs its chosen rows, or nothing if none of its rows was chosen,
// and returns an error only when the whole run must end: kCancelled, kUnavailable.
#ifndef ESPALIER_BENCH_RUN_STAGES_H_
#define ESPALIER_BENCH_RUN_STAGES_H_

#include "absl/status/status.h"
#include "bench/run/contest.h"

namespace espalier::bench {

// In its own database: append everything, close, weigh, remove.
absl::Status RunSortedLoads(Contest& contest, const Workload& workload);

// The rows that share a loaded database:
//
//   random load         each engine: open, put everything, close, weigh
//   reads               each engine: open, settle, warm; then row by row, one engine after the
//   other writes              row by row on the same databases compacted           each engine:
//   compact, close, weigh larger than memory  each engine: open under a memory limit, the rows
//
// From reading on all databases are open at the same time, each in a process of its own, and only
// one works. Within each row the engines take turns in a new random order.
absl::Status RunSharedDatabase(Contest& contest, const Workload& workload);

// On the closed databases that RunSharedDatabase left, in workers whose control group has a quarter
// of the data as memory.
absl::Status RunLargerThanMemory(Contest& contest, const Workload& workload);

// 100,000 records, 200,000 commits, one idle reader.
absl::Status RunGrowth(Contest& contest, const Workload& small_workload);

// 256 scattered updates and a flush, on file systems of their own.
absl::Status RunWriteAmplification(Contest& contest, const Workload& small_workload);

// Loads databases whose commits survive loss of power, and measures them and the disk in turns.
absl::Status RunDurable(Contest& contest, const Workload& workload);

// Kills and closes Espalier's databases of two sizes and opens them again.
absl::Status RunRecovery(Contest& contest);

// Where the shared database of an engine lies.
std::string SharedDirectory(const Contest& contest, const Contestant& contestant);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_STAGES_H_
