#include "bench/workload/statistics.h"

#include <algorithm>
#include <vector>

namespace espalier::bench {

Summary Summarize(std::span<const double> samples) {
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  size_t middle = sorted.size() / 2;
  double median =
      sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return {median, sorted.front(), sorted.back()};
}

}  // namespace espalier::bench
