// The process that is killed: eight threads that commit, and tell through shared memory how far
// they are.
#ifndef ESPALIER_TESTS_KILL_WRITER_H_
#define ESPALIER_TESTS_KILL_WRITER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "espalier/espalier.h"
#include "tests/kill/plan.h"

namespace espalier::testing {

// In memory that outlives the writer.
struct Ledger {
  struct Thread {
    std::atomic<uint64_t> attempted{0};     // commits whose Commit() may have been called
    std::atomic<uint64_t> acknowledged{0};  // commits whose Commit() returned
    std::atomic<uint64_t> found{0};         // commits that the last check found
  };
  std::array<Thread, kWriterThreads> threads;
};

// Writers that a check must find out.
enum class Dishonesty {
  kNone,
  kAcknowledgesEarly,  // before Commit(), as an engine does that does not wait for its log
  kDoesNotLog,         // commits that the log does not have
};

// With a log that goes round often.
Options WriterOptions();

struct WriterTask {
  std::string path;
  Options options = WriterOptions();
  uint64_t seed = 0;
  uint64_t commits = std::numeric_limits<uint64_t>::max();  // of each thread
  Dishonesty dishonesty = Dishonesty::kNone;
  // Called in the thread of the commit: before Commit(), and when it has returned.
  std::function<void(const CommitName&)> attempted = [](const CommitName&) {};
  std::function<void(const CommitName&)> acknowledged = [](const CommitName&) {};
};

// Opens the database, goes on behind what was found last, closes it. Returns what went wrong.
std::string RunWriter(const WriterTask& task, Ledger& ledger);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_KILL_WRITER_H_
