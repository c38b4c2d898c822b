// A process that runs a function until it is killed.
#ifndef ESPALIER_TESTS_KILL_KILLED_PROCESS_H_
#define ESPALIER_TESTS_KILL_KILLED_PROCESS_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace espalier::testing {

// Runs `function` in a fork child and kills that with SIGKILL after `delay`, if it lives so long.
// Returns nothing if it was killed (by us or by itself, with SIGKILL); otherwise what the function
// returned, or how else the child came to its end.
std::optional<std::string> RunAndKill(const std::function<std::string()>& function,
                                      std::chrono::microseconds delay);
// Likewise, for a function that kills its own process, or does not.
std::optional<std::string> RunUntilKilled(const std::function<std::string()>& function);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_KILL_KILLED_PROCESS_H_
