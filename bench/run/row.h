// The rows of the benchmark: what is measured, in which unit, and what Espalier must reach.
#ifndef ESPALIER_BENCH_RUN_ROW_H_
#define ESPALIER_BENCH_RUN_ROW_H_

#include <array>
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
  kDurable,           // a loaded database whose commits survive loss of power
  kCommitFlushes,     // the same database, its system calls traced
  kRecovery,          // databases of two sizes, killed or closed, and opened again
};

// What the figure of Espalier is held against: at least this many times that of the reference in
// the same row where the row is a rate, at most where it is anything else.
struct Bar {
  double factor = 0;           // 0: no bar
  std::string_view reference;  // kBestRival, an engine in any of its modes; empty: the factor is
                               // the figure
};

inline constexpr std::string_view kBestRival = "best rival";
// What the disk itself can do, measured as if it were an engine.
inline constexpr std::string_view kDeviceName = "device";

struct Row {
  std::string_view name;
  std::string_view title;
  std::string_view unit;
  std::array<Bar, 3> bars;  // as many as it has
  Stage stage;
  std::string_view step;  // what the worker runs for it

  bool writes() const { return stage == Stage::kWrites || stage == Stage::kDurable; }
  // About what survives loss of power or the death of the process. In all others sync is off.
  bool is_durable() const { return stage >= Stage::kDurable; }
};

std::span<const Row> AllRows();

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_ROW_H_
