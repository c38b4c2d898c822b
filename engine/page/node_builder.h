// Builds leaves and inner nodes from lists of entries, and takes nodes apart into such lists: how a
// node is rebuilt, split, merged and packed. The lists hold whole keys, so nothing in them depends
// on the prefix of the page that they came from.
#ifndef ESPALIER_ENGINE_PAGE_NODE_BUILDER_H_
#define ESPALIER_ENGINE_PAGE_NODE_BUILDER_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/page/arena.h"
#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"

namespace espalier::page {

struct LeafEntry {
  std::string_view key;
  Payload payload;
};

struct InnerEntry {
  std::string_view separator;  // the first entry's is not stored in the node
  ChildRef child;
  uint64_t count = 0;
};

// Appends the node's entries to the list. Keys are copied to the arena, payloads too if
// `copy_payloads` (needed when the page is about to be written to).
void TakeApart(const Leaf& leaf, bool copy_payloads, Arena& arena, std::vector<LeafEntry>& entries);
void TakeApart(const Inner& node, Arena& arena, std::vector<InnerEntry>& entries);

// The bytes of a page that would hold just these entries.
uint32_t LeafBytes(absl::Span<const LeafEntry> entries);
uint32_t InnerBytes(absl::Span<const InnerEntry> entries);

// Overwrites entries, heap and prefix of `page`, and the header fields that describe them;
// checksum, identity and birth stay. The entries must fit (those of one page do, and fewer of them)
// and must not lie in `page`. The prefix is the one that makes the node smallest, but at most
// `longest_prefix` long, for a leaf that is to get more entries.
void BuildLeaf(absl::Span<const LeafEntry> entries, uint8_t* page, uint32_t page_bytes,
               uint32_t longest_prefix = UINT32_MAX);
void BuildInner(absl::Span<const InnerEntry> entries, uint8_t* page, uint32_t page_bytes);

// Where to cut a list that does not fit into one page: the number of entries that go to the left
// page. Both parts fit, if each entry takes at most half a page and all but one came from one page.
// Of the cuts that are about as even, the one with the shortest separator is taken.
uint32_t ChooseLeafCut(absl::Span<const LeafEntry> entries, uint32_t page_bytes);
uint32_t ChooseInnerCut(absl::Span<const InnerEntry> entries, uint32_t page_bytes);

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_NODE_BUILDER_H_
