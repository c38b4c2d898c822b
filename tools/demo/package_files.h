// The files of the installed Debian packages, from dpkg's lists: the demo's input.
#ifndef ESPALIER_TOOLS_DEMO_PACKAGE_FILES_H_
#define ESPALIER_TOOLS_DEMO_PACKAGE_FILES_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace espalier::tools {

struct Package {
  std::string name;
  std::vector<std::string> paths;
};

// Reads every NAME.list in `directory`, in name order. kUnavailable when there is none or one
// cannot be read.
absl::StatusOr<std::vector<Package>> ReadPackageLists(const std::string& directory);

// What a path has to its name: its lstat size in bytes, or "missing".
std::string FileSizeText(const std::string& path);

// A value of the demo's database: "OWNER, OWNER, ...<tab>SIZE".
std::string MakeValue(const std::vector<std::string>& owners, std::string_view size_text);
// The same for one owner more than `value` has; absent: none yet.
std::string WithOwner(std::optional<std::string_view> value, std::string_view owner,
                      std::string_view size_text);

// What the database must hold after the load, put together without it: path to value.
using Inventory = std::map<std::string, std::string, std::less<>>;

// Calls lstat for every path. `step` is told how many paths are done; returning false ends the
// work, and the inventory is then incomplete.
Inventory TakeInventory(const std::vector<Package>& packages,
                        const std::function<bool(uint64_t done, uint64_t total)>& step);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_DEMO_PACKAGE_FILES_H_
