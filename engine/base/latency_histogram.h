// How long something took, each time, in a fixed amount of memory: buckets that are an eighth wide
// of their lower bound (as in HdrHistogram), from 1 us to an hour.

#ifndef ESPALIER_ENGINE_BASE_LATENCY_HISTOGRAM_H_
#define ESPALIER_ENGINE_BASE_LATENCY_HISTOGRAM_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace espalier {

// Not thread-safe.
class LatencyHistogram {
 public:
  void Add(std::chrono::microseconds latency);

  uint64_t count() const { return count_; }
  std::chrono::microseconds max() const { return max_; }
  // The latency that `share` (0 to 1) of all did not exceed, up to an eighth too high; 0 if there
  // were none.
  std::chrono::microseconds Quantile(double share) const;

 private:
  // 0 to 7 us have a bucket each; then 8 buckets for each power of two up to 2^32 us.
  static constexpr size_t kBuckets = 8 + 8 * 29;
  static size_t BucketOf(uint64_t us);
  static uint64_t UpperBound(size_t bucket);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  std::chrono::microseconds max_{0};
};

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_LATENCY_HISTOGRAM_H_
