// Writing into the loaded database.
#ifndef ESPALIER_BENCH_STEPS_WRITE_STEPS_H_
#define ESPALIER_BENCH_STEPS_WRITE_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// Puts a second, one a transaction, to uniformly random records that exist.
double PutOne(Workbench&, const StepOptions&);

// One such put.
void PutInTransaction(Session&, const Dataset&, uint64_t index, uint64_t generation);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_WRITE_STEPS_H_
