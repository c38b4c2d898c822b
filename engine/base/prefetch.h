// Has the processor load what will be needed soon, so that several misses are under way at once.
#ifndef ESPALIER_ENGINE_BASE_PREFETCH_H_
#define ESPALIER_ENGINE_BASE_PREFETCH_H_

#include <cstddef>
#include <cstdint>

namespace espalier {

// A guess that costs only time where it is wrong.
inline constexpr size_t kCacheLineBytes = 64;

// Loads `lines` cache lines from `begin` on. Never faults, and never waits for a device: what is
// not in memory stays where it is.
inline void PrefetchLines(const uint8_t* begin, size_t lines) {
  for (size_t line = 0; line < lines; ++line) __builtin_prefetch(begin + line * kCacheLineBytes);
  // GCC 12 takes a function that only prefetches for one without effect, and drops the calls of it.
  asm volatile("");
}

// Likewise for lines that are going to be overwritten.
inline void PrefetchLinesToWrite(const uint8_t* begin, size_t lines) {
  for (size_t line = 0; line < lines; ++line) __builtin_prefetch(begin + line * kCacheLineBytes, 1);
  asm volatile("");
}

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_PREFETCH_H_
