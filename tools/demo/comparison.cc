#include "tools/demo/comparison.h"

namespace espalier::tools {

absl::StatusOr<uint64_t> CountDifferences(const Transaction& txn, const Keyspace& keyspace,
                                          const Inventory& expected) {
  uint64_t differences = 0;
  auto wanted = expected.begin();
  Scan scan = txn.Scan(keyspace);
  for (const Entry& entry : scan) {
    for (; wanted != expected.end() && wanted->first < entry.key; ++wanted) ++differences;
    if (wanted == expected.end() || wanted->first != entry.key) {
      ++differences;
      continue;
    }
    if (wanted->second != entry.value) ++differences;
    ++wanted;
  }
  if (!scan.status().ok()) return scan.status();
  for (; wanted != expected.end(); ++wanted) ++differences;
  return differences;
}

InventoryRange WithPrefix(const Inventory& expected, std::string_view prefix) {
  const KeyRange range = KeyRange::Prefix(prefix);
  return {expected.lower_bound(range.begin),
          range.end ? expected.lower_bound(*range.end) : expected.end()};
}

}  // namespace espalier::tools
