#include "bench/run/interruption.h"

#include <csignal>

namespace espalier::bench {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
volatile sig_atomic_t interrupted = 0;

void OnSignal(int) { interrupted = 1; }

void SetHandler(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;  // without SA_RESTART: blocking calls return
  for (int signal : kSignals) sigaction(signal, &action, nullptr);
}

}  // namespace

void CatchInterruption() { SetHandler(OnSignal); }
void IgnoreInterruption() { SetHandler(SIG_IGN); }
bool WasInterrupted() { return interrupted != 0; }

}  // namespace espalier::bench
