// Transactions that put uniformly random existing records, for databases in which every commit
// waits for the device.
#ifndef ESPALIER_BENCH_STEPS_DURABLE_STEPS_H_
#define ESPALIER_BENCH_STEPS_DURABLE_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// Puts a second: one a transaction, by one and by eight threads.
double DurablePutOneThread(Workbench&, const StepOptions&);
double DurablePutEightThreads(Workbench&, const StepOptions&);

// Puts a second, by one thread, 100 and 1,000 a transaction.
double DurablePut100(Workbench&, const StepOptions&);
double DurablePut1000(Workbench&, const StepOptions&);

// Puts since the last time that this was asked, those of warm-ups included.
double TakeDurablePuts(Workbench&, const StepOptions&);

// Commits one put 1,000 times; gives the number.
double DurableCommits(Workbench&, const StepOptions&);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_DURABLE_STEPS_H_
