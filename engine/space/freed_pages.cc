#include "engine/space/freed_pages.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"

namespace espalier::space {

void FreedPages::Reserve(size_t runs) {
  for (std::vector<Undecided>* const list : {&undecided_, &logged_}) {
    if (list->capacity() - list->size() < runs) {
      list->reserve(std::max(2 * list->size(), list->size() + runs));
    }
  }
}

void FreedPages::Add(const FreedRun& run, Version death) {
  page_count_ += run.count;
  (run.logged == LoggedRun::kYes ? logged_ : undecided_).push_back({run, death});
}

void FreedPages::Place(const FreedRun& run, absl::Span<const Version> protected_versions,
                       absl::FunctionRef<void(const FreedRun&)> free) {
  // `protected_versions` ends before the version that freed the run.
  if (!protected_versions.empty() && protected_versions.back() >= run.birth) {
    waiting_[protected_versions.back()].push_back(run);
  } else {
    page_count_ -= run.count;
    free(run);
  }
}

void FreedPages::Decide(absl::Span<const Version> protected_versions, Version durable,
                        absl::FunctionRef<void(const FreedRun&)> free) {
  if (durable != durable_) {
    const auto freed_by_then =
        std::partition(logged_.begin(), logged_.end(),
                       [&](const Undecided& freed) { return freed.death > durable; });
    undecided_.insert(undecided_.end(), freed_by_then, logged_.end());
    logged_.erase(freed_by_then, logged_.end());
    durable_ = durable;
  }
  {
    size_t placed = 0;
    absl::Cleanup forget = [&] {
      undecided_.erase(undecided_.begin(), undecided_.begin() + static_cast<ptrdiff_t>(placed));
    };
    for (; placed < undecided_.size(); ++placed) {
      const Undecided& freed = undecided_[placed];
      const auto death =
          std::lower_bound(protected_versions.begin(), protected_versions.end(), freed.death);
      Place(freed.run,
            protected_versions.first(static_cast<size_t>(death - protected_versions.begin())),
            free);
    }
  }
  // Lists of versions that are no longer protected move down, the youngest first, so that what
  // moves onto a list that goes as well moves on.
  for (auto list = waiting_.end(); list != waiting_.begin();) {
    --list;
    const Version gone = list->first;
    const auto at_or_above =
        std::lower_bound(protected_versions.begin(), protected_versions.end(), gone);
    if (at_or_above != protected_versions.end() && *at_or_above == gone) continue;
    const auto below =
        protected_versions.first(static_cast<size_t>(at_or_above - protected_versions.begin()));
    std::vector<FreedRun> runs = std::move(list->second);
    size_t placed = 0;
    absl::Cleanup give_back = [&] {
      if (placed == runs.size()) {
        waiting_.erase(gone);
      } else {
        runs.erase(runs.begin(), runs.begin() + static_cast<ptrdiff_t>(placed));
        waiting_.find(gone)->second = std::move(runs);
      }
    };
    for (; placed < runs.size(); ++placed) Place(runs[placed], below, free);
    std::move(give_back).Invoke();
    list = waiting_.lower_bound(gone);
  }
}

std::vector<std::pair<Version, uint64_t>> FreedPages::CountByVersion() const {
  std::vector<std::pair<Version, uint64_t>> result;
  for (const auto& [version, runs] : waiting_) {
    uint64_t pages = 0;
    for (const FreedRun& run : runs) pages += run.count;
    result.emplace_back(version, pages);
  }
  uint64_t logged_pages = 0;
  for (const Undecided& freed : logged_) logged_pages += freed.run.count;
  if (logged_pages > 0) result.emplace_back(durable_, logged_pages);
  return result;
}

void FreedPages::AddTo(Bitmap& pages) const {
  for (const auto* const list : {&undecided_, &logged_}) {
    for (const Undecided& freed : *list) pages.SetRange(freed.run.first, freed.run.count);
  }
  for (const auto& [version, runs] : waiting_) {
    for (const FreedRun& run : runs) pages.SetRange(run.first, run.count);
  }
}

}  // namespace espalier::space
