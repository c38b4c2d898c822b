// The request distribution of YCSB: scrambled Zipfian with theta 0.99, exactly as YCSB's
// ScrambledZipfianGenerator draws it: a Zipfian rank out of 10^10 items, hashed with FNV-64 over
// the records, so that the popular records lie anywhere in key order.
#ifndef ESPALIER_BENCH_WORKLOAD_ZIPFIAN_H_
#define ESPALIER_BENCH_WORKLOAD_ZIPFIAN_H_

#include <cstdint>
#include <vector>

#include "bench/workload/random.h"

namespace espalier::bench {

// Zipfian ranks in [0, item_count) by the method of Gray et al., "Quickly generating billion-record
// synthetic databases" (SIGMOD 1994). Rank 0 is the most popular.
class Zipfian {
 public:
  static constexpr double kTheta = 0.99;

  // `zeta` is the sum of 1/i^theta for i in [1, item_count].
  Zipfian(uint64_t item_count, double zeta);

  uint64_t Draw(Random& random) const;

  static double Zeta(uint64_t item_count);

 private:
  uint64_t item_count_;
  double zeta_;
  double alpha_;
  double eta_;
};

class ScrambledZipfian {
 public:
  explicit ScrambledZipfian(uint64_t record_count);

  // A record index in [0, record_count).
  uint64_t Draw(Random& random) const;

  // `count` draws made ahead: a draw costs a pow(), which is dearer than some lookups.
  std::vector<uint32_t> DrawMany(uint64_t count, Random& random) const;

 private:
  uint64_t record_count_;
  Zipfian ranks_;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_WORKLOAD_ZIPFIAN_H_
