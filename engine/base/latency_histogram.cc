#include "engine/base/latency_histogram.h"

#include <algorithm>
#include <bit>

namespace espalier {

size_t LatencyHistogram::BucketOf(uint64_t us) {
  if (us < 8) return us;
  const auto exponent = static_cast<size_t>(std::bit_width(us)) - 1;  // 3 and up
  const size_t eighth = us >> (exponent - 3) & 7;
  return std::min(8 + (exponent - 3) * 8 + eighth, kBuckets - 1);
}

uint64_t LatencyHistogram::UpperBound(size_t bucket) {
  if (bucket < 8) return bucket;
  const size_t exponent = (bucket - 8) / 8 + 3;
  const uint64_t eighth = (bucket - 8) % 8;
  return ((8 + eighth + 1) << (exponent - 3)) - 1;
}

void LatencyHistogram::Add(std::chrono::microseconds latency) {
  const auto us = static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0));
  ++counts_[BucketOf(us)];
  ++count_;
  max_ = std::max(max_, latency);
}

std::chrono::microseconds LatencyHistogram::Quantile(double share) const {
  const auto wanted = static_cast<uint64_t>(share * static_cast<double>(count_) + 0.5);
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets && count_ > 0; ++bucket) {
    seen += counts_[bucket];
    if (seen >= std::max<uint64_t>(wanted, 1)) {
      return std::min(max_, std::chrono::microseconds(UpperBound(bucket)));
    }
  }
  return std::chrono::microseconds(0);
}

}  // namespace espalier
