#ifndef ESPALIER_EXPORT_H_
#define ESPALIER_EXPORT_H_

// Marks what the shared library exports. Everything is compiled with hidden visibility, so each
// public class and free function that is not wholly inline carries this mark:
//
//   class ESPALIER_EXPORT Database { ... };
//   ESPALIER_EXPORT const char* VersionString();
//
// A mark forgotten shows as an undefined symbol when a program links the shared library.
#define ESPALIER_EXPORT __attribute__((visibility("default")))

#endif  // ESPALIER_EXPORT_H_
