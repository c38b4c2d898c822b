// What was committed, in order, and so what may be found after a crash: the state after some prefix
// of it, one that has at least everything that was acknowledged as durable.
#ifndef ESPALIER_TESTS_CRASH_COMMIT_HISTORY_H_
#define ESPALIER_TESTS_CRASH_COMMIT_HISTORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "espalier/espalier.h"

namespace espalier::testing {

// Keyspace name to key to value.
using Contents = std::map<std::string, std::map<std::string, std::string>>;

// Stands for the contents of a database; equal for no two that a test will ever see. The default is
// that of no database at all.
class Digest {
 public:
  static Digest Of(const Contents& contents);

  void AddKeyspace(std::string_view name);
  void AddEntry(std::string_view keyspace, std::string_view key, std::string_view value);

  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  uint64_t low_ = 0;
  uint64_t high_ = 0;
};

// Thread-safe.
class CommitHistory {
 public:
  // Begins with a state that is durable; with none: there is no database.
  explicit CommitHistory(std::optional<Contents> contents);

  // The newest contents.
  const Contents& contents() const { return *states_.back().contents; }
  size_t newest() const;

  // A commit begins that leads to these contents. What it wrote may be found from now on.
  void Begin(Contents contents);
  // It has returned.
  void Acknowledge(Durability durability);
  // It has failed without a trace.
  void Withdraw();
  // A commit, and with it all before, was acknowledged as durable.
  void Durable(size_t commit);

  // Where a crash may lead.
  struct Window {
    std::vector<Digest> digests;  // in the order of the commits
    std::optional<size_t> Find(const Digest& digest) const;
  };
  Window Possible() const;
  // The contents of a state in the window of the same moment.
  std::shared_ptr<const Contents> At(const Digest& digest) const;

  // The database was opened again after its process had gone, and this was found. False if it may
  // not be: only kCheckpoint commits may be lost with the process. What it lacks never was.
  bool ReopenedAt(const Digest& digest);

 private:
  struct State {
    Digest digest;
    std::shared_ptr<const Contents> contents;
  };

  mutable std::mutex mutex_;
  std::vector<State> states_;
  size_t durable_ = 0;
  size_t outlives_process_ = 0;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_COMMIT_HISTORY_H_
