#include "bench/workload/dataset.h"

#include <algorithm>
#include <utility>

namespace espalier::bench {

Dataset::Dataset(uint64_t record_count, uint64_t value_size_bytes)
    : record_count_(record_count), value_size_bytes_(value_size_bytes) {
  Random random(kSalt);
  pool_.resize(kPoolOffsets + value_size_bytes);
  for (char& byte : pool_) byte = static_cast<char>(random.Next());
}

std::vector<uint32_t> Dataset::SortedOrder() const {
  std::vector<std::pair<uint64_t, uint32_t>> heads(record_count_);
  for (uint64_t i = 0; i < record_count_; ++i)
    heads[i] = {Mix64(i + kSalt), static_cast<uint32_t>(i)};
  std::sort(heads.begin(), heads.end());
  std::vector<uint32_t> order(record_count_);
  std::transform(heads.begin(), heads.end(), order.begin(),
                 [](const auto& head) { return head.second; });
  return order;
}

}  // namespace espalier::bench
