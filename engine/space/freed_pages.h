// Pages that committed transactions have freed, until nobody sees them any more.
//
// A page born at version b and freed by version f may be handed out again when no protected version
// p has b <= p < f (INV-2). Until then it waits on the youngest protected version that sees it;
// when that one goes, it moves down to the next one that sees it, or becomes free. So a reader pins
// what it can see and nothing else. (Intervals of this kind are how multi-version garbage is
// collected in "Scalable Garbage Collection for In-Memory MVCC Systems", Böttcher et al., VLDB
// 2019.)
#ifndef ESPALIER_ENGINE_SPACE_FREED_PAGES_H_
#define ESPALIER_ENGINE_SPACE_FREED_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "engine/base/bitmap.h"
#include "engine/base/types.h"

namespace espalier::space {

// Whether the log may refer to pages, so that they must stay as they are until a checkpoint has
// made the version durable that freed them.
enum class LoggedRun { kNo, kYes };

struct FreedRun {
  uint64_t first;
  uint64_t count;
  Version birth;
  LoggedRun logged;
};

// Needs the writer's lock.
class FreedPages {
 public:
  // Gets the memory for so many calls of Add().
  void Reserve(size_t runs);
  // Freed by version `death`; undecided as yet.
  void Add(const FreedRun& run, Version death);

  // Calls `free` for what nobody sees now that just these versions (ascending) are protected
  // besides the newest published one and all later ones, and `durable` is that of the last
  // checkpoint. Where memory runs out, what was not decided yet goes on waiting as before.
  void Decide(absl::Span<const Version> protected_versions, Version durable,
              absl::FunctionRef<void(const FreedRun&)> free);

  uint64_t page_count() const { return page_count_; }
  // Pages that wait on each protected version.
  std::vector<std::pair<Version, uint64_t>> CountByVersion() const;
  void AddTo(Bitmap& pages) const;

 private:
  struct Undecided {
    FreedRun run;
    Version death;
  };

  // Puts the run on the list of the youngest version that sees it, or frees it.
  void Place(const FreedRun& run, absl::Span<const Version> protected_versions,
             absl::FunctionRef<void(const FreedRun&)> free);

  std::vector<Undecided> undecided_;
  // Logged runs that wait for a checkpoint before anything else; of the one that was the last.
  std::vector<Undecided> logged_;
  Version durable_{0};
  absl::btree_map<Version, std::vector<FreedRun>> waiting_;
  uint64_t page_count_ = 0;
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_FREED_PAGES_H_
