// What the bench says while it runs, on standard error: a line for every figure, and on a terminal
// what it is doing.
#ifndef ESPALIER_BENCH_RUN_PROGRESS_H_
#define ESPALIER_BENCH_RUN_PROGRESS_H_

#include <string>

#include "bench/steps/stopwatch.h"

namespace espalier::bench {

class Progress {
 public:
  Progress();
  ~Progress();

  // A line that stays, after the time since the start.
  void Say(const std::string& line);

  // What runs now; replaced by what comes next. Only on a terminal.
  void Show(const std::string& what);

 private:
  std::string Elapsed() const;
  void Clear() const;

  Stopwatch stopwatch_;
  bool on_terminal_;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_PROGRESS_H_
