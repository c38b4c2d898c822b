// Rows and engines by name or glob.
#ifndef ESPALIER_BENCH_RUN_SELECTION_H_
#define ESPALIER_BENCH_RUN_SELECTION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/adapters/adapter.h"
#include "bench/run/row.h"

namespace espalier::bench {

// In the order of the tables, each once. kInvalidArgument, with the names that there are, when a
// glob matches nothing.
absl::StatusOr<std::vector<const Row*>> ChooseRows(const std::vector<std::string>& globs);
absl::StatusOr<std::vector<const Adapter*>> ChooseEngines(const std::vector<std::string>& globs);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_SELECTION_H_
