// Values of which every byte follows from who wrote them and in which commit: one that is torn,
// mixed from two, or somebody else's is not equal to what it should be.
#ifndef ESPALIER_TESTS_SUPPORT_NUMBERED_VALUE_H_
#define ESPALIER_TESTS_SUPPORT_NUMBERED_VALUE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace espalier::testing {

// A number that depends on all bits of `value` (SplitMix64).
inline uint64_t Scramble(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

inline std::string NumberedValue(uint64_t owner, uint64_t commit, uint64_t part, size_t bytes) {
  uint64_t state = Scramble(Scramble(Scramble(owner) + commit) + part);
  std::string value(bytes, '\0');
  for (size_t i = 0; i < bytes; i += 8) {
    state = state * 6364136223846793005 + 1442695040888963407;
    for (size_t j = i; j < i + 8 && j < bytes; ++j) {
      value[j] = static_cast<char>(state >> (8 * (j - i)));
    }
  }
  return value;
}

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_NUMBERED_VALUE_H_
