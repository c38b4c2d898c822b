// Runs a function in a forked child and gives its failures back to the parent's test.
//
//   EXPECT_EQ(InChild([&] { return db.BeginRead().ok() ? "a transaction in the child" : ""; }),
//   "");

#ifndef ESPALIER_TESTS_PROCESSES_CHILD_PROCESS_H_
#define ESPALIER_TESTS_PROCESSES_CHILD_PROCESS_H_

#include <functional>
#include <string>

namespace espalier::testing {

// How the child ends: through exit() with its handlers and static destructors, or at once.
enum class Ending { kExit, kImmediate };

// What `function` returned in the child, or how the child came to its end if it did not return:
// "killed by signal 11".
std::string InChild(const std::function<std::string()>& function,
                    Ending ending = Ending::kImmediate);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_PROCESSES_CHILD_PROCESS_H_
