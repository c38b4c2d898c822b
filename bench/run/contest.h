// The engines of one repetition: which are still in, in whose turn, and where their figures go.
#ifndef ESPALIER_BENCH_RUN_CONTEST_H_
#define ESPALIER_BENCH_RUN_CONTEST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/report/results.h"
#include "bench/run/options.h"
#include "bench/run/progress.h"
#include "bench/run/scratch_directory.h"
#include "bench/run/warm_memory.h"
#include "bench/run/worker.h"

namespace espalier::bench {

struct Contestant {
  const Adapter* engine;
  std::unique_ptr<Worker> worker;
  std::string failure;  // not empty: out until its next start

  std::string name() const { return std::string(engine->name); }
};

// How a stage starts a worker.
struct Start {
  const Workload& workload;
  std::string directory;
  uint64_t memory_limit_bytes = 0;
  std::string cgroup_directory = {};
  bool durable = false;
};

class Contest {
 public:
  // Everything passed by reference outlives the contest. Samples go into `results`.
  Contest(const RunOptions& options, const ScratchDirectory& scratch, WarmMemory& warm_memory,
          uint64_t seed, Progress& progress, Results& results);

  // The engines in a new random order.
  std::vector<Contestant*> Shuffled();
  // The same with one more among them.
  std::vector<Contestant*> ShuffledWith(Contestant& other);

  // The chosen rows of a stage, or the row of a name if it was chosen, else null.
  std::vector<const Row*> RowsOf(Stage stage) const;
  const Row* Chosen(std::string_view name) const;

  // Replaces the contestant's worker by a new one, without opening its database. kUnavailable when
  // no process can be made.
  absl::Status StartWorker(Contestant& contestant, const Start& start);

  // Lets the worker run a step, as OptionsOf() says unless said otherwise, and records its figure
  // under `row`, unless null. A contestant that is out only gets its failure recorded. kCancelled
  // when the user asked to end; an engine's failure is no error of the contest.
  absl::Status Do(Contestant& contestant, std::string_view step, const Row* row = nullptr);
  absl::Status Do(Contestant& contestant, std::string_view step, const Row* row,
                  const StepOptions& options);

  // The same without a row; nothing where the contestant is out.
  absl::StatusOr<std::optional<double>> Ask(Contestant& contestant, std::string_view step,
                                            const StepOptions& options);

  void Record(const Contestant& contestant, const Row& row, double figure);
  void RecordFailure(const Contestant& contestant, const Row& row, const std::string& why);
  // For a row that no engine can run here.
  void RecordNotRun(const Row& row, const std::string& why);

  // How a row's step is run, or one of no row's.
  StepOptions OptionsOf(const Row* row);

  const RunOptions& options() const { return options_; }
  const ScratchDirectory& scratch() const { return scratch_; }

 private:
  RowResult& ResultOf(const Row& row);

  const RunOptions& options_;
  const ScratchDirectory& scratch_;
  WarmMemory& warm_memory_;
  Random random_;
  Progress& progress_;
  Results& results_;
  std::vector<Contestant> contestants_;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_CONTEST_H_
