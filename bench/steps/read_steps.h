// The read rows. Keys are uniformly random over the loaded records; every key must be found.
#ifndef ESPALIER_BENCH_STEPS_READ_STEPS_H_
#define ESPALIER_BENCH_STEPS_READ_STEPS_H_

#include "bench/steps/workbench.h"

namespace espalier::bench {

// Gets a second, 1,000 a transaction; with two threads the sum of both.
double GetOneThread(Workbench&, const StepOptions&);
double GetTwoThreads(Workbench&, const StepOptions&);

// Keys a second through MultiGet of 32, 32 calls a transaction.
double MultiGet32(Workbench&, const StepOptions&);

// Records a second: whole scans, one a transaction.
double ScanFull(Workbench&, const StepOptions&);

// Records a second: scans of 100 records from random keys, one a transaction.
double Scan100(Workbench&, const StepOptions&);

// Building blocks for other steps. GetAtRandom makes `count` gets in one transaction.
void GetAtRandom(Workbench&, Session&, Random&, uint64_t count);
void ScanAll(Workbench&);

// Ends the process if a value is absent, else touches it.
void TouchFound(std::string_view value, Touch& touch);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_STEPS_READ_STEPS_H_
