// Signals that ask the bench to end (SIGINT, SIGTERM, SIGHUP) set a mark and interrupt blocking calls, so that the
// program unwinds and its scratch files, mounts and workers go the usual way.
#pragma once

namespace espalier::bench {

void CatchInterruption();
void IgnoreInterruption();
bool WasInterrupted();

}  // namespace espalier::bench
