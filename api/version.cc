#include "espalier/version.h"

#define ESPALIER_STRINGIFY_VALUE(x) #x
#define ESPALIER_STRINGIFY(x) ESPALIER_STRINGIFY_VALUE(x)

namespace espalier {

const char* VersionString() {
  return ESPALIER_STRINGIFY(ESPALIER_VERSION_MAJOR) "." ESPALIER_STRINGIFY(
      ESPALIER_VERSION_MINOR) "." ESPALIER_STRINGIFY(ESPALIER_VERSION_PATCH);
}

}  // namespace espalier
