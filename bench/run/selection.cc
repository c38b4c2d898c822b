#include "bench/run/selection.h"

#include <fnmatch.h>

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"

namespace espalier::bench {
namespace {

template <class Named>
absl::StatusOr<std::vector<const Named*>> Choose(std::span<const Named> all,
                                                 const std::vector<std::string>& globs) {
  auto matches = [](const Named& item, const std::string& glob) {
    return fnmatch(glob.c_str(), std::string(item.name).c_str(), 0) == 0;
  };
  for (const std::string& glob : globs) {
    if (std::any_of(all.begin(), all.end(), [&](const Named& item) { return matches(item, glob); }))
      continue;
    std::string message = absl::StrCat("nothing is called ", glob, "; there are");
    for (const Named& item : all) absl::StrAppend(&message, " ", std::string(item.name));
    return absl::InvalidArgumentError(message);
  }
  std::vector<const Named*> chosen;
  for (const Named& item : all) {
    if (std::any_of(globs.begin(), globs.end(),
                    [&](const std::string& glob) { return matches(item, glob); })) {
      chosen.push_back(&item);
    }
  }
  return chosen;
}

}  // namespace

absl::StatusOr<std::vector<const Row*>> ChooseRows(const std::vector<std::string>& globs) {
  return Choose(AllRows(), globs);
}

absl::StatusOr<std::vector<const Adapter*>> ChooseEngines(const std::vector<std::string>& globs) {
  return Choose(AllAdapters(), globs);
}

}  // namespace espalier::bench
