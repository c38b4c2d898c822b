#include "espalier/salvage.h"

#include "engine/base/status_macros.h"
#include "engine/txn/salvage.h"

namespace espalier {

absl::StatusOr<SalvageReport> Salvage(const std::string& path, const SalvageSink& sink) {
  ESPALIER_ASSIGN_OR_RETURN(const txn::SalvageResult result, txn::SalvageFile(path, sink));
  return SalvageReport{result.pages, result.leaf_pages, result.damaged_pages, result.entries,
                       result.lost_values};
}

}  // namespace espalier
