// Keys and values for random tests: keys of many shapes, from a pool so that they meet again;
// values of all sizes, around the engine's limits above all.

#ifndef ESPALIER_TESTS_SUPPORT_RANDOM_DATA_H_
#define ESPALIER_TESTS_SUPPORT_RANDOM_DATA_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::testing {

using Random = std::mt19937_64;

// 0 <= result < `limit`.
inline uint64_t Below(Random& random, uint64_t limit) { return random() % limit; }
inline bool OneIn(Random& random, uint64_t n) { return Below(random, n) == 0; }

enum class KeyShape {
  kShort,        // "key123"
  kBinary,       // 1 to 12 bytes of 0x00, 0x01, 0xfe, 0xff: many a prefix of others
  kLongPrefix,   // hundreds of bytes in common, then a number
  kMaxLastByte,  // of the maximal length, different in the last two bytes only
  kMaxAnywhere,  // of the maximal length, different in one byte at a random place
  kPrefixChain,  // "a", "aa", "aaa"... to the maximal length
  kMixed,        // all of these
};
constexpr KeyShape kAllKeyShapes[] = {
    KeyShape::kShort,       KeyShape::kBinary,      KeyShape::kLongPrefix, KeyShape::kMaxLastByte,
    KeyShape::kMaxAnywhere, KeyShape::kPrefixChain, KeyShape::kMixed};
std::string_view KeyShapeName(KeyShape shape);

class KeyPool {
 public:
  KeyPool(KeyShape shape, size_t keys, size_t max_key_bytes, Random& random);

  // One of the pool's keys.
  const std::string& Pick(Random& random) const { return keys_[Below(random, keys_.size())]; }
  // One of the pool's keys, or one just beside it that is probably not in the pool.
  std::string PickNear(Random& random) const;

 private:
  std::string Make(KeyShape shape, Random& random) const;

  const size_t max_key_bytes_;
  std::vector<std::string> keys_;
};

// Most values are short; some lie around what a leaf holds, a page, a chunk of a large value; a few
// have `max_bytes`. Some compress well, some not at all.
std::string RandomValue(Random& random, size_t page_bytes, size_t max_bytes);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_RANDOM_DATA_H_
