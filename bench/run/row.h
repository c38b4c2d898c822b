// The rows of the benchmark: what is measured, in which unit, and what Espalier must reach.
#ifndef ESPALIER_BENCH_RUN_ROW_H_
#define ESPALIER_BENCH_RUN_ROW_H_

#include <span>
#include <string_view>

namespace espalier::bench {

// The part of a repetition in which a row is measured.
enum class Stage {
  kSortedLoad,        // an empty database of its own
  kRandomLoad,        // loading the database that all later stages share
  kReads,             // after settling and warming
  kWrites,            // the same database, the read rows done
  kCompacted,         // compacted and closed at the end
  kLargerThanMemory,  // the same database, in a process that may use a quarter of its size
  kGrowth,            // a small database of its own
  kDevice,            // the same, on file systems of its own
};

enum class BarKind {
  kNone,            // measured and published
  kTimesBestRival,  // a rate: at least `bar` times that of the best rival in the same run
  kAtMost,          // a ratio that must not exceed `bar`
};

struct Row {
  std::string_view name;
  std::string_view title;
  std::string_view unit;
  BarKind bar_kind;
  double bar;
  Stage stage;
  std::string_view step;  // what the worker runs for it
};

std::span<const Row> AllRows();

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_ROW_H_
