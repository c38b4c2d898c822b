// What a run of the benchmark is asked to do.
#ifndef ESPALIER_BENCH_RUN_OPTIONS_H_
#define ESPALIER_BENCH_RUN_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/adapters/adapter.h"
#include "bench/run/row.h"

namespace espalier::bench {

struct RunOptions {
  std::vector<const Row*> rows;
  std::vector<const Adapter*> engines;
  uint64_t record_count = 5'000'000;
  uint64_t value_size_bytes = 100;
  uint64_t repetitions = 3;
  // Of measuring, for each timed row, engine and repetition. Where an engine writes for as long,
  // its checkpoints and compactions are to be within the cell.
  double seconds = 3;
  double write_seconds = 20;
  double warmup_seconds = 0.5;
  uint64_t largest_database_bytes = 2'000'000'000;  // raw; rows about larger ones are not run
  std::string parent_directory = "/tmp";
  uint64_t seed = 1;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_OPTIONS_H_
