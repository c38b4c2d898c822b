// The commits of a fault test: what each one does is a function of its number, and what became of
// each is noted in memory that outlives the process.
#ifndef ESPALIER_TESTS_FAULT_HISTORY_H_
#define ESPALIER_TESTS_FAULT_HISTORY_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "espalier/espalier.h"

namespace espalier::testing {

inline constexpr int kMaxCommits = 64;
inline constexpr int kMaxSessions = 8;

enum class Outcome : uint8_t {
  kNotAttempted,
  kRefused,  // before Commit() was called
  kFailed,   // by Commit(), which returned an error
  kAcknowledged,
};

struct History {
  struct Commit {
    std::atomic<Outcome> outcome{Outcome::kNotAttempted};
    std::atomic<int> session{0};
    // All that was acknowledged before it in the session is durable: a checkpoint was.
    std::atomic<bool> checkpoint_followed{false};
  };
  std::array<Commit, kMaxCommits> commits;
  std::atomic<int> session{0};  // the newest; counts openings
};

Durability DurabilityOfCommit(int number);
// Puts and deletes what the commit does.
absl::Status PerformCommit(WriteTransaction& txn, const Keyspace& keyspace, int number);
// Likewise in a model.
void PerformCommit(std::map<std::string, std::string>& model, int number);
// The key that says that the commit is there.
std::string MarkerOf(int number);

// What is wrong with a database after such a history, with all calls in order again: a commit that
// was acknowledged is not there, one that was refused is, one is there in part, later ones are
// there without earlier ones, a page is not sound.
std::string CheckHistory(Database& db, const History& history);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FAULT_HISTORY_H_
