// The one checksum of all files: XXH3-64 (Yann Collet, xxHash). Finds accidents, not attacks.

#ifndef ESPALIER_ENGINE_BASE_CHECKSUM_H_
#define ESPALIER_ENGINE_BASE_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

namespace espalier {

inline constexpr size_t kChecksumBytes = 8;

uint64_t Checksum(const void* bytes, size_t size_bytes, uint64_t seed);

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_CHECKSUM_H_
