// Lets a long operation notice ^C (SIGINT) or SIGTERM and end in an orderly way.
#ifndef ESPALIER_TOOLS_CLI_INTERRUPTION_H_
#define ESPALIER_TOOLS_CLI_INTERRUPTION_H_

#include <csignal>

namespace espalier::tools {

// While it lives, the first of these signals only makes Interrupted() true; a second one ends the
// process as usual. One at a time.
class InterruptionWatch {
 public:
  InterruptionWatch();
  InterruptionWatch(const InterruptionWatch&) = delete;
  InterruptionWatch& operator=(const InterruptionWatch&) = delete;
  ~InterruptionWatch();

  bool Interrupted() const;

 private:
  struct sigaction previous_interrupt_ {};
  struct sigaction previous_terminate_ {};
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_INTERRUPTION_H_
