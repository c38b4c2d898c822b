// YCSB's core workloads with 100-byte values: scrambled Zipfian requests, one operation a
// transaction; each gives operations a second.
//
//   A  50 % reads, 50 % updates        C  reads only
//   B  95 % reads,  5 % updates        F  50 % reads, 50 % read-modify-writes (both in one
//   transaction) E  95 % scans of 1 to 100 records (uniform), 5 % inserts of new records
#ifndef ESPALIER_BENCH_STEPS_YCSB_STEPS_H_
#define ESPALIER_BENCH_STEPS_YCSB_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

double YcsbA(Workbench&, const StepOptions&);
double YcsbB(Workbench&, const StepOptions&);
double YcsbC(Workbench&, const StepOptions&);
double YcsbE(Workbench&, const StepOptions&);
double YcsbF(Workbench&, const StepOptions&);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_YCSB_STEPS_H_
