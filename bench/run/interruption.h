// Signals that ask the bench to end (SIGINT, SIGTERM, SIGHUP) set a mark and interrupt blocking
// calls, so that the program unwinds and its scratch files, mounts and workers go the usual way.
#ifndef ESPALIER_BENCH_RUN_INTERRUPTION_H_
#define ESPALIER_BENCH_RUN_INTERRUPTION_H_

namespace espalier::bench {

void CatchInterruption();
void IgnoreInterruption();
bool WasInterrupted();

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_INTERRUPTION_H_
