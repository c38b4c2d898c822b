#include "tools/demo/reading_steps.h"

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <vector>

#include "tools/cli/stopwatch.h"
#include "tools/demo/comparison.h"

namespace espalier::tools {
namespace {

constexpr size_t kBatchKeys = 32;

using Expected = std::vector<const Inventory::value_type*>;

// The entries in an order that is random but the same in every run.
Expected Shuffled(const Inventory& inventory) {
  Expected entries;
  for (const auto& entry : inventory) entries.push_back(&entry);
  std::shuffle(entries.begin(), entries.end(), std::mt19937_64(1));
  return entries;
}

absl::Status GetEach(const Transaction& txn, const Keyspace& keyspace, const Expected& entries,
                     DemoReport& report) {
  uint64_t wrong = 0;
  const Stopwatch stopwatch;
  for (const auto* entry : entries) {
    const absl::StatusOr<std::string_view> value = txn.Get(keyspace, entry->first);
    if (!value.ok() && !absl::IsNotFound(value.status())) return value.status();
    if (!value.ok() || *value != entry->second) ++wrong;
  }
  report.Rate("Get, random order", entries.size(), stopwatch.Elapsed());
  report.Check("every path found, with its owners and size", wrong == 0);
  return absl::OkStatus();
}

absl::Status MultiGetAll(const Transaction& txn, const Keyspace& keyspace, const Expected& entries,
                         DemoReport& report) {
  uint64_t wrong = 0;
  std::vector<std::string_view> keys;
  std::vector<std::optional<std::string_view>> values;
  const Stopwatch stopwatch;
  for (size_t start = 0; start < entries.size(); start += kBatchKeys) {
    const size_t count = std::min(kBatchKeys, entries.size() - start);
    keys.clear();
    for (size_t i = 0; i < count; ++i) keys.push_back(entries[start + i]->first);
    values.assign(count, std::nullopt);
    if (absl::Status status = txn.MultiGet(keyspace, keys, absl::MakeSpan(values)); !status.ok()) {
      return status;
    }
    for (size_t i = 0; i < count; ++i) wrong += values[i] != entries[start + i]->second ? 1 : 0;
  }
  report.Rate("MultiGet, 32 keys a call", entries.size(), stopwatch.Elapsed());
  report.Check("the same answers in batches", wrong == 0);
  return absl::OkStatus();
}

absl::Status GetAbsentKeys(const Transaction& txn, const Keyspace& keyspace,
                           const Expected& entries, const Inventory& inventory,
                           DemoReport& report) {
  uint64_t asked = 0;
  uint64_t found = 0;
  const Stopwatch stopwatch;
  for (const auto* entry : entries) {
    const std::string absent = entry->first + " ";
    if (inventory.contains(absent)) continue;
    const absl::StatusOr<bool> contains = txn.Contains(keyspace, absent);
    if (!contains.ok()) return contains.status();
    ++asked;
    found += *contains ? 1 : 0;
  }
  report.Rate("paths that do not exist", asked, stopwatch.Elapsed());
  report.Check("none of them found", found == 0);
  return absl::OkStatus();
}

// Every directory of the inventory, as "/usr/share/".
std::vector<std::string> Directories(const Inventory& inventory) {
  std::set<std::string> directories;
  for (const auto& [path, value] : inventory) {
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      directories.insert(path.substr(0, slash + 1));
    }
  }
  return {directories.begin(), directories.end()};
}

absl::Status CountDirectories(const Transaction& txn, const Keyspace& keyspace,
                              const std::vector<std::string>& directories,
                              const Inventory& inventory, DemoReport& report) {
  std::vector<uint64_t> counts;
  const Stopwatch stopwatch;
  for (const std::string& directory : directories) {
    const absl::StatusOr<uint64_t> count = txn.Count(keyspace, KeyRange::Prefix(directory));
    if (!count.ok()) return count.status();
    counts.push_back(*count);
  }
  report.Rate("directories counted", directories.size(), stopwatch.Elapsed());
  uint64_t wrong = 0;
  for (size_t i = 0; i < directories.size(); ++i) {
    const InventoryRange range = WithPrefix(inventory, directories[i]);
    wrong += counts[i] != static_cast<uint64_t>(std::distance(range.begin, range.end)) ? 1 : 0;
  }
  report.Check("every count is right, without reading the entries", wrong == 0);
  return absl::OkStatus();
}

// Compares the range of one directory, forwards and backwards; the number of entries that it read.
absl::StatusOr<uint64_t> ScanDirectory(const Transaction& txn, const Keyspace& keyspace,
                                       const std::string& directory, const Inventory& inventory,
                                       uint64_t& wrong) {
  uint64_t read = 0;
  const InventoryRange range = WithPrefix(inventory, directory);
  auto wanted = range.begin;
  Scan forward = txn.Scan(keyspace, KeyRange::Prefix(directory));
  for (const Entry& entry : forward) {
    ++read;
    if (wanted == range.end || wanted->first != entry.key || wanted->second != entry.value) {
      ++wrong;
      break;
    }
    ++wanted;
  }
  if (!forward.status().ok()) return forward.status();
  if (wanted != range.end) ++wrong;

  wanted = range.end;
  Scan backward = txn.ReverseScan(keyspace, KeyRange::Prefix(directory));
  for (const Entry& entry : backward) {
    ++read;
    if (wanted == range.begin || (--wanted)->first != entry.key) {
      ++wrong;
      break;
    }
  }
  if (!backward.status().ok()) return backward.status();
  if (wanted != range.begin) ++wrong;
  return read;
}

absl::Status ScanDirectories(const Transaction& txn, const Keyspace& keyspace,
                             const std::vector<std::string>& directories,
                             const Inventory& inventory, DemoReport& report) {
  uint64_t read = 0;
  uint64_t wrong = 0;
  const Stopwatch stopwatch;
  for (const std::string& directory : directories) {
    const absl::StatusOr<uint64_t> entries =
        ScanDirectory(txn, keyspace, directory, inventory, wrong);
    if (!entries.ok()) return entries.status();
    read += *entries;
  }
  report.Rate("entries read and compared", read, stopwatch.Elapsed());
  report.Check("every directory lists the same, forwards and backwards", wrong == 0);
  return absl::OkStatus();
}

absl::Status SelectAndRank(const Transaction& txn, const Keyspace& keyspace,
                           const Inventory& inventory, DemoReport& report) {
  uint64_t index = 0;
  uint64_t wrong = 0;
  const Stopwatch stopwatch;
  for (const auto& [path, value] : inventory) {
    const absl::StatusOr<Cursor> cursor = txn.Select(keyspace, index);
    if (!cursor.ok() && !absl::IsOutOfRange(cursor.status())) return cursor.status();
    const absl::StatusOr<uint64_t> rank = txn.Rank(keyspace, path);
    if (!rank.ok()) return rank.status();
    if (!cursor.ok() || cursor->key() != path || *rank != index) ++wrong;
    ++index;
  }
  report.Rate("entries by number, and back", index, stopwatch.Elapsed());
  report.Check("the n-th path is the n-th path", wrong == 0);
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadPoints(Database& db, const Inventory& expected, DemoReport& report) {
  const absl::StatusOr<ReadTransaction> txn = db.BeginRead();
  if (!txn.ok()) return txn.status();
  const Keyspace keyspace = db.default_keyspace();
  const Expected entries = Shuffled(expected);
  if (absl::Status status = GetEach(*txn, keyspace, entries, report); !status.ok()) return status;
  if (absl::Status status = MultiGetAll(*txn, keyspace, entries, report); !status.ok())
    return status;
  return GetAbsentKeys(*txn, keyspace, entries, expected, report);
}

absl::Status ReadPrefixesAndCounts(Database& db, const Inventory& expected, DemoReport& report) {
  const absl::StatusOr<ReadTransaction> txn = db.BeginRead();
  if (!txn.ok()) return txn.status();
  const Keyspace keyspace = db.default_keyspace();
  const std::vector<std::string> directories = Directories(expected);
  absl::Status status = CountDirectories(*txn, keyspace, directories, expected, report);
  if (status.ok()) status = ScanDirectories(*txn, keyspace, directories, expected, report);
  if (status.ok()) status = SelectAndRank(*txn, keyspace, expected, report);
  return status;
}

}  // namespace espalier::tools
