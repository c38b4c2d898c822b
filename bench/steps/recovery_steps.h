// What a crash leaves, and how long it takes to be at work again.
#ifndef ESPALIER_BENCH_STEPS_RECOVERY_STEPS_H_
#define ESPALIER_BENCH_STEPS_RECOVERY_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// Puts random existing records, 100 a transaction, into a database of Espalier, until as much of
// its log is in use as can be without a checkpoint.
double FillLog(Workbench&, const StepOptions&);

// Opens the database and gets one record; milliseconds until it is there.
double OpenAndGet(Workbench&, const StepOptions&);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_RECOVERY_STEPS_H_
