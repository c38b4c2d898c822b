#include "tools/cli/interruption.h"

#include <csignal>

namespace espalier::tools {
namespace {

// Written by the handler.
volatile std::sig_atomic_t g_interrupted = 0;

// Belong to the outermost watch.
int g_watches = 0;
struct sigaction g_previous_interrupt;
struct sigaction g_previous_terminate;

}  // namespace

InterruptionWatch::InterruptionWatch() {
  if (g_watches++ > 0) return;
  g_interrupted = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &g_previous_interrupt);
  sigaction(SIGTERM, &action, &g_previous_terminate);
}

InterruptionWatch::~InterruptionWatch() {
  if (--g_watches > 0) return;
  sigaction(SIGINT, &g_previous_interrupt, nullptr);
  sigaction(SIGTERM, &g_previous_terminate, nullptr);
}

bool InterruptionWatch::Interrupted() const { return g_interrupted != 0; }

}  // namespace espalier::tools
