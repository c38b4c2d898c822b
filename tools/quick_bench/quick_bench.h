// A quick look at how fast this machine's disk and memory let a database be. Not the benchmark of
// bench/: one engine, one run, one thread.
#ifndef ESPALIER_TOOLS_QUICK_BENCH_QUICK_BENCH_H_
#define ESPALIER_TOOLS_QUICK_BENCH_QUICK_BENCH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "espalier/database.h"
#include "tools/cli/figures.h"

namespace espalier::tools {

struct BenchOptions {
  uint64_t entries = 1'000'000;
  uint64_t value_bytes = 100;
};

struct BenchRow {
  std::string name;
  uint64_t operations = 0;
  Seconds duration{0};
};

// Told before each row, and as it goes; returning false ends the run with kAborted.
using BenchStep = std::function<bool(const std::string& row, uint64_t done, uint64_t total)>;

// Runs every row on `db`, which must be empty. Keys have 16 bytes, in random order unless the row
// says otherwise. kInternal when the database gives a wrong answer.
absl::StatusOr<std::vector<BenchRow>> RunQuickBench(Database& db, const BenchOptions& options,
                                                    const BenchStep& step);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_QUICK_BENCH_QUICK_BENCH_H_
