// Steps around the rows: open, close, settle, warm, compact, size on disk.
#ifndef ESPALIER_BENCH_STEPS_LIFE_STEPS_H_
#define ESPALIER_BENCH_STEPS_LIFE_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

double OpenDatabase(Workbench&, const StepOptions&);
double CloseDatabase(Workbench&, const StepOptions&);
double SettleDatabase(Workbench&, const StepOptions&);
double FlushDatabase(Workbench&, const StepOptions&);
double CompactDatabase(Workbench&, const StepOptions&);

// Reads every record once in order, and the same number of records at random (at most a million):
// fills caches, page tables and whatever an engine verifies on first touch.
double WarmDatabase(Workbench&, const StepOptions&);

// Bytes allocated on disk by all files in the directory of the closed database, over the raw bytes
// of its records.
double DiskBytesOverRawBytes(Workbench&, const StepOptions&);

// Bytes that the files below `directory` occupy on disk (st_blocks: sparse regions do not count).
uint64_t DiskBytes(const std::string& directory);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_LIFE_STEPS_H_
