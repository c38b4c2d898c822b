// Growth of a small database under one-put commits to random existing keys while a reader that does
// nothing keeps its view. Run on a loaded, settled and closed database, in this order.
#ifndef ESPALIER_BENCH_STEPS_GROWTH_STEPS_H_
#define ESPALIER_BENCH_STEPS_GROWTH_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// Weighs the files, opens the database and the idle reader, commits 50,000 times; gives the bytes
// on disk over those before.
double GrowthAfter50000(Workbench&, const StepOptions&);

// Commits on, to 200,000; again over the bytes at the start.
double GrowthAfter200000(Workbench&, const StepOptions&);

// The bytes after 200,000 commits over those after 50,000; then the reader goes.
double GrowthFlatness(Workbench&, const StepOptions&);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_GROWTH_STEPS_H_
