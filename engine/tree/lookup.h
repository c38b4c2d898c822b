// Point lookups: one key, many keys interleaved, ranks. Nothing here allocates or builds a status;
// a lookup that meets a damaged page says so, and ExplainLookup() then goes the same way for the
// reason.
#ifndef ESPALIER_ENGINE_TREE_LOOKUP_H_
#define ESPALIER_ENGINE_TREE_LOOKUP_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/page/format.h"
#include "engine/page/leaf.h"
#include "engine/page/page_source.h"

namespace espalier::tree {

enum class Outcome : uint8_t { kMissing, kFound, kDamaged };

struct Found {
  Outcome outcome = Outcome::kMissing;
  page::Payload payload;
};

Found Find(const page::PageReader& reader, const page::TreeRoot& root, std::string_view key);

// found[i] belongs to keys[i]. The lookups go down the tree side by side, a level at a time, so
// that their cache misses overlap.
void FindMany(const page::PageReader& reader, const page::TreeRoot& root,
              absl::Span<const std::string_view> keys, absl::Span<Found> found);

// The number of entries with keys less than `key`; nothing if a page is damaged.
std::optional<uint64_t> Rank(const page::PageReader& reader, const page::TreeRoot& root,
                             std::string_view key);

// Why a lookup of `key` is kDamaged.
absl::Status ExplainLookup(const page::PageReader& reader, const page::TreeRoot& root,
                           std::string_view key);

}  // namespace espalier::tree

#endif  // ESPALIER_ENGINE_TREE_LOOKUP_H_
