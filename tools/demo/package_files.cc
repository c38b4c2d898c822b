#include "tools/demo/package_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/status/status.h"

namespace espalier::tools {
namespace {

absl::StatusOr<std::vector<std::filesystem::path>> FindLists(const std::string& directory) {
  std::vector<std::filesystem::path> lists;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".list") lists.push_back(entry->path());
  }
  if (error) return absl::UnavailableError(directory + ": " + error.message());
  if (lists.empty()) {
    return absl::UnavailableError(directory +
                                  ": no package lists (*.list); is this a Debian system?");
  }
  std::sort(lists.begin(), lists.end());
  return lists;
}

absl::StatusOr<Package> ReadPackageList(const std::filesystem::path& list) {
  Package package{.name = list.stem().string(), .paths = {}};
  std::ifstream lines(list);
  std::string path;
  while (std::getline(lines, path)) {
    if (!path.empty()) package.paths.push_back(path);
  }
  if (!lines.eof()) return absl::UnavailableError(list.string() + ": cannot be read");
  return package;
}

}  // namespace

absl::StatusOr<std::vector<Package>> ReadPackageLists(const std::string& directory) {
  const auto lists = FindLists(directory);
  if (!lists.ok()) return lists.status();
  std::vector<Package> packages;
  for (const std::filesystem::path& list : *lists) {
    absl::StatusOr<Package> package = ReadPackageList(list);
    if (!package.ok()) return package.status();
    packages.push_back(*std::move(package));
  }
  return packages;
}

std::string FileSizeText(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 ? std::to_string(info.st_size) : "missing";
}

std::string MakeValue(const std::vector<std::string>& owners, std::string_view size_text) {
  std::string value;
  for (const std::string& owner : owners) {
    if (!value.empty()) value += ", ";
    value += owner;
  }
  value += '\t';
  value += size_text;
  return value;
}

std::string WithOwner(std::optional<std::string_view> value, std::string_view owner,
                      std::string_view size_text) {
  std::string longer;
  if (value) {
    longer += value->substr(0, value->rfind('\t'));
    longer += ", ";
  }
  longer += owner;
  longer += '\t';
  longer += size_text;
  return longer;
}

Inventory TakeInventory(const std::vector<Package>& packages,
                        const std::function<bool(uint64_t done, uint64_t total)>& step) {
  std::map<std::string, std::vector<std::string>> owners;
  for (const Package& package : packages) {
    for (const std::string& path : package.paths) owners[path].push_back(package.name);
  }
  Inventory inventory;
  for (const auto& [path, names] : owners) {
    inventory.emplace_hint(inventory.end(), path, MakeValue(names, FileSizeText(path)));
    if (!step(inventory.size(), owners.size())) break;
  }
  return inventory;
}

}  // namespace espalier::tools
