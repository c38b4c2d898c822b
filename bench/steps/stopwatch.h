// Timing of steps.
#ifndef ESPALIER_BENCH_STEPS_STOPWATCH_H_
#define ESPALIER_BENCH_STEPS_STOPWATCH_H_

#include <chrono>
#include <cstdint>

namespace espalier::bench {

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

// Calls `batch` until `seconds` have passed and gives the rate: what the batches returned (their
// operations, keys or records), per second. A batch should take from 10 microseconds to 100
// milliseconds.
template <class Batch>
double RatePerSecond(double seconds, Batch&& batch) {
  Stopwatch stopwatch;
  uint64_t done = 0;
  double elapsed = 0;
  do {
    done += batch();
    elapsed = stopwatch.Seconds();
  } while (elapsed < seconds);
  return static_cast<double>(done) / elapsed;
}

// The same after a warm-up that is not counted.
template <class Batch>
double WarmRatePerSecond(double warmup_seconds, double seconds, Batch&& batch) {
  if (warmup_seconds > 0) RatePerSecond(warmup_seconds, batch);
  return RatePerSecond(seconds, batch);
}

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_STOPWATCH_H_
