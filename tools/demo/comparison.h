// Compares what a database holds with what it must hold.
#ifndef ESPALIER_TOOLS_DEMO_COMPARISON_H_
#define ESPALIER_TOOLS_DEMO_COMPARISON_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "espalier/transaction.h"
#include "tools/demo/package_files.h"

namespace espalier::tools {

// Reads the whole keyspace in key order. The number of keys that are missing, too many, or have
// another value than in `expected`.
absl::StatusOr<uint64_t> CountDifferences(const Transaction& txn, const Keyspace& keyspace,
                                          const Inventory& expected);

// The entries of `expected` whose key starts with `prefix`.
struct InventoryRange {
  Inventory::const_iterator begin;
  Inventory::const_iterator end;
};
InventoryRange WithPrefix(const Inventory& expected, std::string_view prefix);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_DEMO_COMPARISON_H_
