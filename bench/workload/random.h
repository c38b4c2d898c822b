// Cheap pseudo-random numbers: the generator must cost nanoseconds, because its time is part of
// every row.
#ifndef ESPALIER_BENCH_WORKLOAD_RANDOM_H_
#define ESPALIER_BENCH_WORKLOAD_RANDOM_H_

#include <cstdint>

namespace espalier::bench {

// A bijection on 64 bits (the finaliser of SplitMix64): distinct inputs give distinct outputs.
constexpr uint64_t Mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  x ^= x >> 31;
  return x;
}

// SplitMix64: one addition and one Mix64 a number; any seed is good.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() { return Mix64(state_ += 0x9e3779b97f4a7c15u); }

  // Uniform in [0, bound) by multiply-shift; the bias is below 2^-32 for every bound used here.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }

  // Uniform in [0, 1).
  double NextDouble() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t state_;
};

// Fisher–Yates; std::shuffle's result differs between standard libraries, this one's does not.
template <class Container>
void Shuffle(Container& items, Random& random) {
  for (uint64_t i = items.size(); i > 1; --i) {
    using std::swap;
    swap(items[i - 1], items[random.Below(i)]);
  }
}

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_WORKLOAD_RANDOM_H_
