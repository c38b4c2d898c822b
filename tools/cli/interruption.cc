#include "tools/cli/interruption.h"

namespace espalier::tools {
namespace {

// Written by the handler.
volatile std::sig_atomic_t g_interrupted = 0;

}  // namespace

InterruptionWatch::InterruptionWatch() {
  g_interrupted = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, &previous_interrupt_);
  sigaction(SIGTERM, &action, &previous_terminate_);
}

InterruptionWatch::~InterruptionWatch() {
  sigaction(SIGINT, &previous_interrupt_, nullptr);
  sigaction(SIGTERM, &previous_terminate_, nullptr);
}

bool InterruptionWatch::Interrupted() const { return g_interrupted != 0; }

}  // namespace espalier::tools
