// The seed of a random test: $ESPALIER_SEED, or the test's own. Printed, so that a failure can be
// repeated and others can be searched for:
//
//   bazel test //engine/base:bitmap_test --test_env=ESPALIER_SEED=7

#ifndef ESPALIER_ENGINE_BASE_SEED_FOR_TESTING_H_
#define ESPALIER_ENGINE_BASE_SEED_FOR_TESTING_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace espalier {

inline uint64_t TestSeed(uint64_t default_seed = 1) {
  const char* const chosen = std::getenv("ESPALIER_SEED");
  const uint64_t seed = chosen != nullptr ? std::stoull(chosen) : default_seed;
  std::printf("seed: %llu (choose with ESPALIER_SEED)\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_SEED_FOR_TESTING_H_
