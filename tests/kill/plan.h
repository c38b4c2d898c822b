// What each thread of the writer does in each of its commits: a function of seed, thread and number
// alone, so that the parent knows what must be there from how far the thread came.
//
// A thread owns its keys: `t3/last` says the number of its newest commit, `t3/00` to `t3/23` are
// slots for values. What is committed by a transaction is counted, by all threads together, in
// `total`, so that a commit that is lost from the middle is missed there; the others go through
// Database::Write(), and so in groups. Behind all of these keys come the batches that one thread
// appends; there is one at the most.
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
inline constexpr int kAppendingThread = 1;

// Owner of `number` in the plan of `seed`.
struct CommitName {
  uint64_t seed;
  int thread;
  uint64_t number;  // from 1 on
};

struct Operation {
  enum class Kind { kPut, kReserve, kDelete, kDeleteAllSlots, kAppendBatch, kDeleteBatch };
  Kind kind;
  int slot = 0;
  size_t value_bytes = 0;
  int entries = 0;  // kAppendBatch: that many such values
};

std::vector<Operation> OperationsOf(const CommitName& name);
Durability DurabilityOf(const CommitName& name);
// By Database::Write() and not by a transaction.
bool IsWrittenAtOnce(const CommitName& name);
std::string ValueOf(const CommitName& name, int slot, size_t value_bytes);

std::string LastKey(int thread);
std::string SlotKey(int thread, int slot);
KeyRange SlotKeys(int thread);
// All keys of a thread, without those of batches.
KeyRange KeysOf(int thread);
std::string BatchKey(uint64_t number, int entry);
KeyRange BatchKeys();

// What a thread's slots hold after its commits up to a number.
class ThreadModel {
 public:
  ThreadModel(uint64_t seed, int thread) : seed_(seed), thread_(thread) {}

  void AdvanceTo(uint64_t number);
  uint64_t number() const { return number_; }
  uint64_t transactions() const { return transactions_; }  // of these commits
  std::optional<std::string> Value(int slot) const;
  // How many keys the thread has, without those of its batch.
  uint64_t Entries() const;

  struct Batch {
    uint64_t number;
    int entries;
    size_t value_bytes;
  };
  const std::optional<Batch>& batch() const { return batch_; }
  std::string BatchValue(int entry) const;

 private:
  struct Written {
    uint64_t number;
    size_t value_bytes;
  };

  const uint64_t seed_;
  const int thread_;
  uint64_t number_ = 0;
  uint64_t transactions_ = 0;
  std::array<std::optional<Written>, kSlots> slots_;
  std::optional<Batch> batch_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_KILL_PLAN_H_
