// Lets a long operation notice ^C (SIGINT) or SIGTERM and end in an orderly way.
#ifndef ESPALIER_TOOLS_CLI_INTERRUPTION_H_
#define ESPALIER_TOOLS_CLI_INTERRUPTION_H_

namespace espalier::tools {

// While one lives, the first of these signals only makes Interrupted() true; a second one ends the
// process as usual. They nest: the outermost counts. One thread only.
class InterruptionWatch {
 public:
  InterruptionWatch();
  InterruptionWatch(const InterruptionWatch&) = delete;
  InterruptionWatch& operator=(const InterruptionWatch&) = delete;
  ~InterruptionWatch();

  bool Interrupted() const;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_INTERRUPTION_H_
