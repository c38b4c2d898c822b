// Medians and spreads of repeated measurements.
#ifndef ESPALIER_BENCH_WORKLOAD_STATISTICS_H_
#define ESPALIER_BENCH_WORKLOAD_STATISTICS_H_

#include <span>

namespace espalier::bench {

struct Summary {
  double median = 0;
  double minimum = 0;
  double maximum = 0;
};

// `samples` must not be empty. With an even number of samples the median is the mean of the middle
// two.
Summary Summarize(std::span<const double> samples);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_WORKLOAD_STATISTICS_H_
