// What all generators of a run have done together.
#ifndef ESPALIER_TESTS_CRASH_CRASH_TOTALS_H_
#define ESPALIER_TESTS_CRASH_CRASH_TOTALS_H_

#include <cstdint>

#include "tests/crash/crash_lab.h"

namespace espalier::testing {

// How many distinct images a run should see: $ESPALIER_CRASH_IMAGES, or 20,000.
uint64_t WantedImages();
// Whether those are so many that points are looked at more closely.
inline bool IsLongTest() { return WantedImages() > 100000; }
uint64_t TotalImages();

// Adds what a generator did to the totals, which are printed at the end of the program.
void Account(const CrashLab& lab);

// A small closed database with a bit of everything.
CrashedDatabase SmallDatabase();

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_CRASH_TOTALS_H_
