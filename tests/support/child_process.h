// Runs a function in a forked child and gives its failures back to the parent's test; or kills the
// child.
//
//   EXPECT_EQ(InChild([&] { return db.BeginRead().ok() ? "a transaction in the child" : ""; }),
//   "");

#ifndef ESPALIER_TESTS_SUPPORT_CHILD_PROCESS_H_
#define ESPALIER_TESTS_SUPPORT_CHILD_PROCESS_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace espalier::testing {

// How the child ends: through exit() with its handlers and static destructors, or at once.
enum class Ending { kExit, kImmediate };

// What `function` returned in the child, or how the child came to its end if it did not return:
// "killed by signal 11".
std::string InChild(const std::function<std::string()>& function,
                    Ending ending = Ending::kImmediate);

// Kills the child with SIGKILL after `delay`, if it lives so long. Nothing if it was killed with
// SIGKILL, by us or by itself; otherwise as above.
std::optional<std::string> RunAndKill(const std::function<std::string()>& function,
                                      std::chrono::microseconds delay);
// Likewise, for a function that kills its own process, or does not, but comes to an end.
std::optional<std::string> RunUntilKilled(const std::function<std::string()>& function);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_CHILD_PROCESS_H_
