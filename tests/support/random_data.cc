#include "tests/support/random_data.h"

#include <algorithm>
#include <cstring>

namespace espalier::testing {
namespace {

// `limit` less up to 16, or more up to 16.
size_t Around(Random& random, size_t limit) {
  return limit - std::min<size_t>(limit, 16) + Below(random, 33);
}

size_t RandomValueBytes(Random& random, size_t page_bytes, size_t max_bytes) {
  constexpr size_t kChunkBytes = 65536;
  switch (Below(random, 64)) {
    case 0:
      return 0;
    case 1:
    case 2:
      return Around(random, page_bytes / 2 - 60);  // the last that a leaf keeps
    case 3:
      return Around(random, page_bytes * (1 + Below(random, 3)));
    case 4:
      return OneIn(random, 4) ? Around(random, kChunkBytes * (1 + Below(random, 3))) : 1;
    case 5:
      return OneIn(random, 32) ? max_bytes - Below(random, 100) : 2;
    case 6:
      return Below(random, 4 * page_bytes);
    default:
      return Below(random, 150);
  }
}

}  // namespace

std::string_view KeyShapeName(KeyShape shape) {
  switch (shape) {
    case KeyShape::kShort:
      return "Short";
    case KeyShape::kBinary:
      return "Binary";
    case KeyShape::kLongPrefix:
      return "LongPrefix";
    case KeyShape::kMaxLastByte:
      return "MaxLastByte";
    case KeyShape::kMaxAnywhere:
      return "MaxAnywhere";
    case KeyShape::kPrefixChain:
      return "PrefixChain";
    case KeyShape::kMixed:
      return "Mixed";
  }
  return "Unknown";
}

KeyPool::KeyPool(KeyShape shape, size_t keys, size_t max_key_bytes, Random& random)
    : max_key_bytes_(max_key_bytes) {
  keys_.reserve(keys);
  for (size_t i = 0; i < keys; ++i) keys_.push_back(Make(shape, random));
}

std::string KeyPool::Make(KeyShape shape, Random& random) const {
  switch (shape) {
    case KeyShape::kShort:
      return "key" + std::to_string(Below(random, 5000));
    case KeyShape::kBinary: {
      constexpr char kBytes[] = {'\x00', '\x01', '\xfe', '\xff'};
      std::string key(1 + Below(random, 12), '\0');
      for (char& byte : key) byte = kBytes[Below(random, 4)];
      return key;
    }
    case KeyShape::kLongPrefix: {
      // A few prefixes, of which one begins another.
      const size_t length = (1 + Below(random, 3)) * (max_key_bytes_ / 4);
      return std::string(length, OneIn(random, 3) ? '\xff' : 'p') +
             std::to_string(Below(random, 3000));
    }
    case KeyShape::kMaxLastByte: {
      std::string key(max_key_bytes_, "\x00\xffx"[Below(random, 3)]);
      key[key.size() - 1] = static_cast<char>(random());
      if (OneIn(random, 2)) key[key.size() - 2] = static_cast<char>(random());
      return key;
    }
    case KeyShape::kMaxAnywhere: {
      std::string key(max_key_bytes_, 'm');
      key[Below(random, key.size())] = static_cast<char>(random());
      return key;
    }
    case KeyShape::kPrefixChain:
      return std::string(1 + Below(random, max_key_bytes_), OneIn(random, 4) ? '\xff' : 'a');
    case KeyShape::kMixed: {
      constexpr size_t kOthers = std::size(kAllKeyShapes) - 1;
      return Make(kAllKeyShapes[Below(random, kOthers)], random);
    }
  }
  return "never";
}

std::string KeyPool::PickNear(Random& random) const {
  std::string key = Pick(random);
  switch (Below(random, 5)) {
    case 0:
      if (key.size() > 1) key.pop_back();
      break;
    case 1:
      if (key.size() < max_key_bytes_) key.push_back('\0');
      break;
    case 2:
      key.back() = static_cast<char>(key.back() + 1);
      break;
    case 3:
      key.resize(1 + Below(random, key.size()));
      break;
    default:
      break;
  }
  return key;
}

std::string RandomValue(Random& random, size_t page_bytes, size_t max_bytes) {
  std::string value(RandomValueBytes(random, page_bytes, max_bytes), static_cast<char>(random()));
  const bool compressible = OneIn(random, 2);
  // One random word in each stretch of 512 bytes, or nothing but random words.
  const size_t step = compressible ? 512 : 8;
  for (size_t i = 0; i + 8 <= value.size(); i += step) {
    const uint64_t word = random();
    std::memcpy(value.data() + i, &word, sizeof word);
  }
  if (!value.empty()) value.back() = static_cast<char>(random());
  return value;
}

}  // namespace espalier::testing
