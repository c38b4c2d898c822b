// What a worker process works on: one engine, one directory, and the database in it while it is
// open.
#ifndef ESPALIER_BENCH_STEPS_WORKBENCH_H_
#define ESPALIER_BENCH_STEPS_WORKBENCH_H_

#include <memory>
#include <string>
#include <vector>

#include "bench/adapters/adapter.h"
#include "bench/steps/file_blocks.h"
#include "bench/workload/dataset.h"

namespace espalier::bench {

// The same for every worker: made once, before the first worker is forked.
struct Workload {
  Dataset dataset;
  std::vector<uint32_t> sorted_order;  // record indexes in key order
  std::vector<uint32_t>
      zipfian;  // record indexes, drawn ahead; each row starts at a place of its own

  // Drawing Zipfian indexes costs some 50 ns each.
  Workload(uint64_t record_count, uint64_t value_size_bytes, uint64_t zipfian_draws);
};

// What the growth steps hand on to each other.
struct Growth {
  uint64_t bytes_at_start = 0;
  uint64_t bytes_after_first = 0;
  uint64_t bytes_after_all = 0;
  std::unique_ptr<Session> idle_reader;
};

struct Workbench {
  const Adapter& adapter;
  const Workload& workload;
  OpenOptions options;
  std::unique_ptr<Database> database;  // null while closed
  uint64_t inserted_count = 0;         // records beyond the dataset's, put there by inserting rows
  Growth growth = {};
  FileBlocks blocks_before = {};  // of the write amplification steps
  uint64_t peak_load_bytes = 0;   // of files on disk, while PutAll ran
  uint64_t durable_puts = 0;      // not yet taken, see TakeDurablePuts

  const Dataset& dataset() const { return workload.dataset; }
};

// How a step is run.
struct StepOptions {
  uint64_t seed = 1;
  double seconds = 1;         // for how long a timed step is measured
  double warmup_seconds = 0;  // for how long it runs before
};

// Something that a worker does on request. `run` gives the step's figure in the unit of its row;
// steps that measure nothing give 0.
struct Step {
  std::string_view name;
  double (*run)(Workbench&, const StepOptions&);
};

// The step called `name`, or null.
const Step* FindStep(std::string_view name);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_WORKBENCH_H_
