// What each thread of the writer does in each of its commits: a function of seed, thread and number
// alone, so that the parent knows what must be there from how far the thread came.
//
// A thread owns its keys: `t3/last` says the number of its newest commit, `t3/00` to `t3/23` are
// slots for values. All threads count their commits in `total`, so that a commit that is lost from
// the middle is missed there.
#ifndef ESPALIER_TESTS_KILL_PLAN_H_
#define ESPALIER_TESTS_KILL_PLAN_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "espalier/espalier.h"

namespace espalier::testing {

inline constexpr int kWriterThreads = 8;
inline constexpr int kSlots = 24;
inline constexpr char kTotalKey[] = "total";

// Owner of `number` in the plan of `seed`.
struct CommitName {
  uint64_t seed;
  int thread;
  uint64_t number;  // from 1 on
};

struct Operation {
  enum class Kind { kPut, kReserve, kDelete, kDeleteAllSlots };
  Kind kind;
  int slot = 0;
  size_t value_bytes = 0;
};

std::vector<Operation> OperationsOf(const CommitName& name);
Durability DurabilityOf(const CommitName& name);
std::string ValueOf(const CommitName& name, int slot, size_t value_bytes);

std::string LastKey(int thread);
std::string SlotKey(int thread, int slot);
// All keys of a thread.
KeyRange KeysOf(int thread);

// What a thread's slots hold after its commits up to a number.
class ThreadModel {
 public:
  ThreadModel(uint64_t seed, int thread) : seed_(seed), thread_(thread) {}

  void AdvanceTo(uint64_t number);
  uint64_t number() const { return number_; }
  std::optional<std::string> Value(int slot) const;
  // How many keys the thread has.
  uint64_t Entries() const;

 private:
  struct Written {
    uint64_t number;
    size_t value_bytes;
  };

  const uint64_t seed_;
  const int thread_;
  uint64_t number_ = 0;
  std::array<std::optional<Written>, kSlots> slots_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_KILL_PLAN_H_
