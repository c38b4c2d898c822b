// The checksum of a page: XXH3-64 (Yann Collet, xxHash) of everything behind the checksum field,
// seeded with the page's number, so that a page written to the wrong place does not validate there.
#ifndef ESPALIER_ENGINE_PAGE_CHECKSUM_H_
#define ESPALIER_ENGINE_PAGE_CHECKSUM_H_

#include <cstdint>

#include "engine/base/types.h"

namespace espalier::page {

uint64_t PageChecksum(const uint8_t* page, uint32_t page_bytes, PageNumber number);

// Stores the checksum into the page. Readers that already trust the page may be reading it.
void SealPage(uint8_t* page, uint32_t page_bytes, PageNumber number);

bool ChecksumMatches(const uint8_t* page, uint32_t page_bytes, PageNumber number);

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_CHECKSUM_H_
