#include "engine/page/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/page/format.h"

namespace espalier::page {

uint64_t Checksum(const void* bytes, size_t size_bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, size_bytes, seed);
}

uint64_t PageChecksum(const uint8_t* page, uint32_t page_bytes, PageNumber number) {
  return Checksum(page + kChecksumBytes, page_bytes - kChecksumBytes, number.value);
}

void SealPage(uint8_t* page, uint32_t page_bytes, PageNumber number) {
  HeaderOf(page).checksum = PageChecksum(page, page_bytes, number);
}

bool ChecksumMatches(const uint8_t* page, uint32_t page_bytes, PageNumber number) {
  return HeaderOf(page).checksum == PageChecksum(page, page_bytes, number);
}

}  // namespace espalier::page
