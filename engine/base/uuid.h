// Names a database: what a log and a checkpoint slot must carry to be taken for its own.

#ifndef ESPALIER_ENGINE_BASE_UUID_H_
#define ESPALIER_ENGINE_BASE_UUID_H_

#include <array>
#include <cstdint>

namespace espalier {

using Uuid = std::array<uint8_t, 16>;

// A random one (RFC 4122, version 4).
Uuid NewUuid();

// A random number that no earlier call gave, for what must not repeat by accident.
uint64_t NewNonce();

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_UUID_H_
