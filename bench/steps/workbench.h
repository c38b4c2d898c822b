// What a worker process works on: one engine, one directory, and the database in it while it is open.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/adapters/adapter.h"
#include "bench/workload/dataset.h"

namespace espalier::bench {

// The same for every worker: made once, before the first worker is forked.
struct Workload {
  Dataset dataset;
  std::vector<uint32_t> sorted_order;  // record indexes in key order
  std::vector<uint32_t> zipfian;       // record indexes, drawn ahead; each row starts at a place of its own

  Workload(uint64_t record_count, uint64_t value_size_bytes);
};

struct Workbench {
  const Adapter& adapter;
  const Workload& workload;
  OpenOptions options;
  std::unique_ptr<Database> database;  // null while closed
  uint64_t inserted_count = 0;         // records beyond the dataset's, put there by inserting rows

  const Dataset& dataset() const { return workload.dataset; }
};

// How a step is run.
struct StepOptions {
  uint64_t seed = 1;
  double seconds = 1;         // for how long a timed step is measured
  double warmup_seconds = 0;  // for how long it runs before
};

// Something that a worker does on request. `run` gives the step's figure in the unit of its row; steps that
// measure nothing give 0.
struct Step {
  std::string_view name;
  double (*run)(Workbench&, const StepOptions&);
};

// The step called `name`, or null.
const Step* FindStep(std::string_view name);

}  // namespace espalier::bench
