// Compares a database that was recovered with what its writers said before they were killed.
#ifndef ESPALIER_TESTS_KILL_CHECK_H_
#define ESPALIER_TESTS_KILL_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/kill/writer.h"

namespace espalier::testing {

// Whether the checker closes the database or leaves it as a process leaves it that dies.
enum class AfterCheck { kClose, kAbandon };

// Opens the database in a process of its own and returns what is wrong: a commit that was
// acknowledged is lost, one that was not attempted is there, one is there in part, a page is not
// sound. Notes in the ledger what it found, from where writers go on.
std::string CheckInChild(const std::string& path, uint64_t seed, Ledger& ledger, AfterCheck after);

// Likewise for one of many checks of the same database: `models` go on from the last one.
using ThreadModels = std::vector<ThreadModel>;
ThreadModels NewModels(uint64_t seed);
std::string CheckInChild(const std::string& path, ThreadModels& models, Ledger& ledger,
                         AfterCheck after);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_KILL_CHECK_H_
