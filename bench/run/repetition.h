// One repetition of the rows that share a database. Stage by stage, row by row, the engines take turns in an order
// that is shuffled anew for every row:
//
//   sorted load    each engine: open, append all, close, weigh, remove
//   random load    each engine: open, put all, close, weigh
//   reads          each engine: open, settle, warm; then the rows, one engine after the other in each
//   writes         the rows likewise, on the same databases
//   compacted      each engine: compact, close, weigh, remove
//
// From reading on all databases are open at the same time, each in a process of its own, and only one works.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "bench/report/results.h"
#include "bench/run/options.h"
#include "bench/run/progress.h"
#include "bench/run/scratch_directory.h"
#include "bench/run/worker.h"

namespace espalier::bench {

class Repetition {
 public:
  // Everything that is passed by reference outlives the repetition. Samples go into `results`.
  Repetition(const RunOptions& options, const Workload& workload, const ScratchDirectory& scratch, uint64_t seed,
             Progress& progress, Results& results);

  // Only kCancelled and kUnavailable; the failure of an engine goes into its cells.
  absl::Status Run();

 private:
  struct Contestant {
    const Adapter* engine;
    std::unique_ptr<Worker> worker;
    std::string failure;  // not empty: out of this repetition
  };

  std::vector<const Row*> RowsOf(Stage stage) const;
  const Row* Chosen(std::string_view name) const;  // null when the row was not asked for
  std::vector<Contestant*> ShuffledContestants();

  // Starts a worker with an empty directory and opens a database there.
  absl::Status StartWorker(Contestant& contestant);

  // Runs a step and puts its figure under `row`, unless null. A contestant that failed before only gets its reason
  // put there.
  absl::Status Do(Contestant& contestant, std::string_view step, const Row* row = nullptr);

  // Closes the database and weighs its files, if the row was asked for.
  absl::Status CloseAndWeigh(Contestant& contestant, std::string_view row_name);
  void Remove(Contestant& contestant);

  absl::Status RunSortedLoads();
  absl::Status RunRandomLoads();
  absl::Status PrepareForReads();
  absl::Status RunInTurns(Stage stage);
  absl::Status RunCompactions();

  RowResult& ResultOf(const Row& row);

  const RunOptions& options_;
  const Workload& workload_;
  const ScratchDirectory& scratch_;
  Random random_;
  Progress& progress_;
  Results& results_;
  std::vector<Contestant> contestants_;
};

}  // namespace espalier::bench
