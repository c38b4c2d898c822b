// What the disk can do without any engine: the known ways to put 4 KiB into a file so that they
// survive loss of power. Each appends in turn to a file that has been written before, as a log that
// is used again and again would be, so that no way pays for the allocation of blocks.
#ifndef ESPALIER_BENCH_STEPS_FLUSH_STEPS_H_
#define ESPALIER_BENCH_STEPS_FLUSH_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// Writes the file, 64 MiB.
double MakeFlushFile(Workbench&, const StepOptions&);

// Flushes a second, one after the other; 0 where the file system does not know the way.
double FlushByFdatasync(Workbench&, const StepOptions&);
double FlushByRwfDsync(Workbench&, const StepOptions&);
double FlushByDirectAndFdatasync(Workbench&, const StepOptions&);
double FlushByDirectDsync(Workbench&, const StepOptions&);
double FlushByMsync(Workbench&, const StepOptions&);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_FLUSH_STEPS_H_
