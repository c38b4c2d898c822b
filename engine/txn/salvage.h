// Reads the valid leaves out of a damaged file, without trusting anything that leads to them.
#ifndef ESPALIER_ENGINE_TXN_SALVAGE_H_
#define ESPALIER_ENGINE_TXN_SALVAGE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::txn {

struct SalvageResult {
  uint64_t pages = 0;
  uint64_t leaf_pages = 0;
  uint64_t damaged_pages = 0;
  uint64_t entries = 0;
  uint64_t lost_values = 0;
};

using SalvageFunction = std::function<absl::Status(std::string_view keyspace, std::string_view key,
                                                   std::string_view value)>;

// See api/salvage.h.
absl::StatusOr<SalvageResult> SalvageFile(const std::string& path, const SalvageFunction& sink);

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_SALVAGE_H_
