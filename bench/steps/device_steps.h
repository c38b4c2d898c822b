// Write amplification, from the inside: the parent reads the device's counters before and after
// ScatteredUpdates.
#ifndef ESPALIER_BENCH_STEPS_DEVICE_STEPS_H_
#define ESPALIER_BENCH_STEPS_DEVICE_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// Notes the content of the database's files, around the page cache.
double RememberBlocks(Workbench&, const StepOptions&);

// Reads all files of the closed database through the page cache. For a process that does nothing
// else.
double ReadFiles(Workbench&, const StepOptions&);

// Puts 256 random existing records, one a transaction, and flushes.
double ScatteredUpdates(Workbench&, const StepOptions&);

// The bytes of the files, in blocks of 4 KiB, that differ from what RememberBlocks saw.
double ChangedBytes(Workbench&, const StepOptions&);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_DEVICE_STEPS_H_
