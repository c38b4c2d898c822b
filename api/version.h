#ifndef ESPALIER_VERSION_H_
#define ESPALIER_VERSION_H_

#include "espalier/export.h"

// The version of the headers that a program was compiled with. The installed package files take
// theirs from these lines.
#define ESPALIER_VERSION_MAJOR 0
#define ESPALIER_VERSION_MINOR 1
#define ESPALIER_VERSION_PATCH 0

namespace espalier {

// The version of the library that the program runs with, as "major.minor.patch"; it differs from
// the macros above if the shared library was exchanged. The string lives for ever. Any thread.
ESPALIER_EXPORT const char* VersionString();

}  // namespace espalier

#endif  // ESPALIER_VERSION_H_
