// Notes beside each commit how many entries the recorded device's log had: when it was attempted,
// and when it was known to be durable. So what must be found on any prefix of the device is known.
#ifndef ESPALIER_TESTS_FILESYSTEMS_COMMIT_MARKS_H_
#define ESPALIER_TESTS_FILESYSTEMS_COMMIT_MARKS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tests/kill/plan.h"
#include "tests/kill/writer.h"

namespace espalier::testing {

// In memory that several processes share.
class CommitMarks {
 public:
  static constexpr uint64_t kMaxCommits = 4096;  // of a thread

  // Only the first mark of a commit counts: should a killed process not have got far with it, the
  // next one does the same commit again.
  void Attempted(const CommitName& name, uint64_t entries) {
    Note(threads_[Index(name)].attempted, name.number, entries);
  }
  // With it all that its thread did before.
  void Durable(const CommitName& name, uint64_t entries) {
    Note(threads_[Index(name)].durable, name.number, entries);
  }

  // What a crash must leave when the device had been given so many entries.
  void FillLedger(uint64_t entries, Ledger& ledger) const {
    for (size_t i = 0; i < threads_.size(); ++i) {
      ledger.threads[i].attempted = Newest(threads_[i].attempted, entries);
      ledger.threads[i].acknowledged = Newest(threads_[i].durable, entries);
    }
  }

 private:
  // By number; `entries` + 1, or 0 without a mark.
  using Marks = std::array<std::atomic<uint64_t>, kMaxCommits>;
  struct Thread {
    Marks attempted{};
    Marks durable{};
  };

  static size_t Index(const CommitName& name) { return static_cast<size_t>(name.thread); }

  static void Note(Marks& marks, uint64_t number, uint64_t entries) {
    uint64_t none = 0;
    marks.at(number).compare_exchange_strong(none, entries + 1);
  }

  static uint64_t Newest(const Marks& marks, uint64_t entries) {
    uint64_t newest = 0;
    for (uint64_t number = 1; number < kMaxCommits; ++number) {
      const uint64_t mark = marks[number];
      if (mark != 0 && mark - 1 <= entries) newest = number;
    }
    return newest;
  }

  std::array<Thread, kWriterThreads> threads_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_FILESYSTEMS_COMMIT_MARKS_H_
