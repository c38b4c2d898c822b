// Integers in memory of any alignment. The file is little-endian (LE); key heads are big-endian
// (BE), so that they compare as integers in the order of the bytes.

#ifndef ESPALIER_ENGINE_BASE_ENDIAN_H_
#define ESPALIER_ENGINE_BASE_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>

namespace espalier {

static_assert(std::endian::native == std::endian::little, "the file format is mapped as it is");

[[gnu::always_inline]] inline uint16_t LoadLE16(const void* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

[[gnu::always_inline]] inline uint32_t LoadLE32(const void* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

[[gnu::always_inline]] inline uint64_t LoadLE64(const void* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

[[gnu::always_inline]] inline uint32_t LoadBE32(const void* from) {
  return __builtin_bswap32(LoadLE32(from));
}

[[gnu::always_inline]] inline uint64_t LoadBE64(const void* from) {
  return __builtin_bswap64(LoadLE64(from));
}

[[gnu::always_inline]] inline void StoreLE16(void* to, uint16_t value) {
  std::memcpy(to, &value, sizeof(value));
}

[[gnu::always_inline]] inline void StoreLE32(void* to, uint32_t value) {
  std::memcpy(to, &value, sizeof(value));
}

[[gnu::always_inline]] inline void StoreBE32(void* to, uint32_t value) {
  StoreLE32(to, __builtin_bswap32(value));
}

[[gnu::always_inline]] inline void StoreLE64(void* to, uint64_t value) {
  std::memcpy(to, &value, sizeof(value));
}

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_ENDIAN_H_
