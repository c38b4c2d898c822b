// The images that a crash could leave of a recorded disk: one for each combination of what reached
// the disk. All of them where they are few; otherwise those that have found bugs elsewhere, and
// random ones.
#ifndef ESPALIER_TESTS_CRASH_CRASH_CHOICES_H_
#define ESPALIER_TESTS_CRASH_CRASH_CHOICES_H_

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "tests/crash/disk_image.h"
#include "tests/crash/recorded_disk.h"

namespace espalier::testing {

// As it is when this is made. The disk must not change while it lives.
class CrashChoices {
 public:
  explicit CrashChoices(const RecordedDisk& disk);

  // Calls `function` with all images if they are at most `exhaustive`, otherwise with `limit` of
  // them: nothing of what is pending, all of it, each dirty page alone, each left out, the log and
  // the checkpoint slots torn at each sector, and random ones. If those are too many, a random
  // selection. And some where sectors that were being written are damaged.
  void ForEachImage(std::mt19937_64& random, uint64_t exhaustive, uint64_t limit,
                    const std::function<void(const DirectoryImage& image)>& function) const;

 private:
  // Something that a crash leaves in one of several states: 0 is the durable one, the last is the
  // newest.
  struct Variable {
    enum Kind { kNames, kSize, kSector } kind;
    RecordedDisk::FileId file;
    uint64_t sector;
    uint32_t states;
  };
  using States = std::vector<uint32_t>;  // of each variable
  using Plan = std::function<States(std::mt19937_64& random)>;

  States Oldest() const { return States(variables_.size(), 0); }
  States Newest() const;
  // All that belongs to a group is `from`'s in what is otherwise `to`'s.
  static States Mixed(const States& from, const States& to, const std::vector<size_t>& group);
  States Random(std::mt19937_64& random) const;
  States Damaged(std::mt19937_64& random) const;
  uint64_t Combinations(uint64_t limit) const;
  std::vector<Plan> SystematicPlans() const;
  DirectoryImage Build(const States& states) const;

  const RecordedDisk& disk_;
  std::vector<RecordedDisk::Names> names_;
  std::vector<Variable> variables_;
  // The variables by what is written at once: pages, sizes, the names.
  std::vector<std::vector<size_t>> pages_;
  // The sectors of logs and checkpoint slots, in their order.
  std::vector<std::vector<size_t>> tearable_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_CRASH_CHOICES_H_
