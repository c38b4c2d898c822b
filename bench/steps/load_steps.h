// Steps that fill an empty database. Both loads give records a second.
#ifndef ESPALIER_BENCH_STEPS_LOAD_STEPS_H_
#define ESPALIER_BENCH_STEPS_LOAD_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// All records in key order, by the engine's own bulk load; the time includes what makes the last
// record visible.
double AppendAll(Workbench&, const StepOptions&);

// All records in random order, 1,000 a transaction.
double PutAll(Workbench&, const StepOptions&);

// The most bytes that the files took on disk at any time of PutAll, over the raw bytes of all
// records.
double PeakDiskBytesOverRawBytes(Workbench&, const StepOptions&);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_LOAD_STEPS_H_
