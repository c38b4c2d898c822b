#include "engine/page/checksum.h"

#include "engine/base/checksum.h"
#include "engine/page/format.h"

namespace espalier::page {

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
