#include "bench/workload/zipfian.h"

#include <cmath>

namespace espalier::bench {
namespace {

// YCSB's constants: the item count and the zeta that belongs to it.
constexpr uint64_t kScrambledItems = 10'000'000'000;
constexpr double kScrambledZeta = 26.46902820178302;

uint64_t Fnv64(uint64_t value) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (int i = 0; i < 8; ++i) {
    hash ^= value & 0xff;
    hash *= 1099511628211u;
    value >>= 8;
  }
  return hash;
}

}  // namespace

Zipfian::Zipfian(uint64_t item_count, double zeta)
    : item_count_(item_count), zeta_(zeta), alpha_(1 / (1 - kTheta)) {
  double zeta_of_two = 1 + std::pow(0.5, kTheta);
  eta_ =
      (1 - std::pow(2.0 / static_cast<double>(item_count), 1 - kTheta)) / (1 - zeta_of_two / zeta);
}

uint64_t Zipfian::Draw(Random& random) const {
  double u = random.NextDouble();
  double uz = u * zeta_;
  if (uz < 1) return 0;
  if (uz < 1 + std::pow(0.5, kTheta)) return 1;
  auto rank = static_cast<uint64_t>(static_cast<double>(item_count_) *
                                    std::pow(eta_ * u - eta_ + 1, alpha_));
  return rank < item_count_ ? rank : item_count_ - 1;
}

double Zipfian::Zeta(uint64_t item_count) {
  double sum = 0;
  for (uint64_t i = item_count; i > 0; --i) sum += std::pow(static_cast<double>(i), -kTheta);
  return sum;
}

ScrambledZipfian::ScrambledZipfian(uint64_t record_count)
    : record_count_(record_count), ranks_(kScrambledItems, kScrambledZeta) {}

uint64_t ScrambledZipfian::Draw(Random& random) const {
  return Fnv64(ranks_.Draw(random)) % record_count_;
}

std::vector<uint32_t> ScrambledZipfian::DrawMany(uint64_t count, Random& random) const {
  std::vector<uint32_t> draws(count);
  for (uint32_t& draw : draws) draw = static_cast<uint32_t>(Draw(random));
  return draws;
}

}  // namespace espalier::bench
