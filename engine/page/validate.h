// Proves, once for a page, that neither reading nor changing it can lead outside of it: every slot,
// length and flag is in bounds, no record lies on another one, no entry is larger than a writer
// makes them, and the keys are in strictly ascending order. After that the views in leaf.h and
// inner.h may be used without further checks (INV-11, INV-13).
#ifndef ESPALIER_ENGINE_PAGE_VALIDATE_H_
#define ESPALIER_ENGINE_PAGE_VALIDATE_H_

#include <cstdint>

namespace espalier::page {

// Null when the leaf or inner node is sound, otherwise what is wrong with it. The space map's pages
// have no structure besides the header, and are sound if that is.
const char* FindStructuralFault(const uint8_t* page, uint32_t page_bytes);

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_VALIDATE_H_
