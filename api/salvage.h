// Reads what can still be read out of a damaged database file, without opening it as a database.
#ifndef ESPALIER_API_SALVAGE_H_
#define ESPALIER_API_SALVAGE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "espalier/export.h"

namespace espalier {

struct SalvageReport {
  uint64_t pages = 0;          // in the file
  uint64_t leaf_pages = 0;     // valid leaves whose entries were delivered
  uint64_t damaged_pages = 0;  // pages that a valid page or slot refers to and that do not validate
  uint64_t entries = 0;        // delivered
  uint64_t lost_values = 0;    // entries whose large value does not validate: not delivered
};

// `keyspace` is the name where the leaf was reached through its keyspace's tree, and
// "salvaged" (with a + or more behind it if a keyspace has that name) for valid leaves that are no
// longer reachable from the root; a key may then come more than once, older versions first. Views
// are valid during the call. Returning an error stops.
using SalvageSink = std::function<absl::Status(std::string_view keyspace, std::string_view key,
                                               std::string_view value)>;

// Delivers the entries of every valid leaf. Works without a superblock or checkpoint slot; what the
// disk cannot read is taken for damaged. The log is not read: commits since the last checkpoint are
// delivered only as far as valid leaves have them. Writes nothing. kNotFound, kPermissionDenied,
// kUnavailable as Database::Open; the sink's own errors.
ESPALIER_EXPORT absl::StatusOr<SalvageReport> Salvage(const std::string& path,
                                                      const SalvageSink& sink);

}  // namespace espalier

#endif  // ESPALIER_API_SALVAGE_H_
