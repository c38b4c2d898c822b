#include "engine/base/uuid.h"

#include <cstring>
#include <random>

namespace espalier {

uint64_t NewNonce() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

Uuid NewUuid() {
  Uuid uuid;
  for (size_t i = 0; i < uuid.size(); i += sizeof(uint64_t)) {
    const uint64_t word = NewNonce();
    std::memcpy(&uuid[i], &word, sizeof(word));
  }
  uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);
  uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

}  // namespace espalier
