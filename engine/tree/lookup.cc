#include "engine/tree/lookup.h"

#include <algorithm>
#include <array>

#include "engine/page/inner.h"

namespace espalier::tree {
namespace {

using page::ChildRef;
using page::Inner;
using page::Leaf;
using page::PageReader;
using page::TreeRoot;

constexpr size_t kCacheLineBytes = 64;

// The header and the heads that fill the lines behind it: all that the search in a leaf touches before
// the record itself.
void PrefetchLeaf(const uint8_t* page) {
  for (size_t line = 0; line < 4; ++line) __builtin_prefetch(page + line * kCacheLineBytes);
}

// The header, and where the binary search among the heads of a well-filled node begins.
void PrefetchInner(const uint8_t* page) {
  __builtin_prefetch(page);
  for (size_t line = 2; line < 12; line += 2) __builtin_prefetch(page + line * kCacheLineBytes);
}

// Lookups in flight at once: enough to cover the latency of memory with the misses that a core can
// have outstanding.
constexpr size_t kGroup = 32;

void FindGroup(const PageReader& reader, const TreeRoot& root,
               absl::Span<const std::string_view> keys, absl::Span<Found> found) {
  const page::PageSource& source = reader.source();
  const size_t count = keys.size();
  std::array<ChildRef, kGroup> refs;
  refs.fill(root.ref);
  for (uint32_t level = root.height - 1; level > 0; --level) {
    for (size_t i = 0; i < count; ++i) {
      if (found[i].outcome == Outcome::kDamaged) continue;
      const uint8_t* const node = reader.Fetch(refs[i], level);
      if (node == nullptr) {
        found[i].outcome = Outcome::kDamaged;
        continue;
      }
      const Inner inner(node);
      refs[i] = inner.child(inner.FindChild(keys[i]));
      if (refs[i].number().value < reader.page_limit()) {
        const uint8_t* const child = source.read_page(refs[i].number());
        if (level == 1) {
          PrefetchLeaf(child);
        } else {
          PrefetchInner(child);
        }
      }
    }
  }
  std::array<const uint8_t*, kGroup> leaves;
  for (size_t i = 0; i < count; ++i) {
    if (found[i].outcome == Outcome::kDamaged) continue;
    leaves[i] = reader.Fetch(refs[i], 0);
    if (leaves[i] == nullptr) {
      found[i].outcome = Outcome::kDamaged;
      continue;
    }
    // The head alone nearly always tells the record, which can be on its way while others are searched.
    const Leaf leaf(leaves[i]);
    const uint32_t prefix_length = leaf.prefix_length();
    if (keys[i].size() <= prefix_length || leaf.size() == 0) continue;
    const uint32_t index =
        page::LowerBoundHeads(leaf.heads(), leaf.size(),
                              page::HeadOf(keys[i].substr(prefix_length)));
    if (index < leaf.size()) {
      const uint8_t* const record = leaf.record(index);
      __builtin_prefetch(record);
      __builtin_prefetch(record + kCacheLineBytes);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    if (found[i].outcome == Outcome::kDamaged) continue;
    const Leaf leaf(leaves[i]);
    const page::Position position = leaf.Find(keys[i]);
    if (position.exact) found[i] = {Outcome::kFound, leaf.payload(position.index)};
  }
}

}  // namespace

Found Find(const PageReader& reader, const TreeRoot& root, std::string_view key) {
  if (root.height == 0) return {};
  const page::PageSource& source = reader.source();
  ChildRef ref = root.ref;
  for (uint32_t level = root.height - 1; level > 0; --level) {
    const uint8_t* const node = reader.Fetch(ref, level);
    if (node == nullptr) return {Outcome::kDamaged, {}};
    const Inner inner(node);
    ref = inner.child(inner.FindChild(key));
    if (ref.number().value < reader.page_limit()) {
      const uint8_t* const child = source.read_page(ref.number());
      if (level == 1) {
        PrefetchLeaf(child);
      } else {
        PrefetchInner(child);
      }
    }
  }
  const uint8_t* const page = reader.Fetch(ref, 0);
  if (page == nullptr) return {Outcome::kDamaged, {}};
  const Leaf leaf(page);
  const page::Position position = leaf.Find(key);
  if (!position.exact) return {};
  return {Outcome::kFound, leaf.payload(position.index)};
}

void FindMany(const PageReader& reader, const TreeRoot& root,
              absl::Span<const std::string_view> keys, absl::Span<Found> found) {
  std::fill(found.begin(), found.end(), Found{});
  if (root.height == 0) return;
  for (size_t first = 0; first < keys.size(); first += kGroup) {
    const size_t count = std::min(kGroup, keys.size() - first);
    FindGroup(reader, root, keys.subspan(first, count), found.subspan(first, count));
  }
}

std::optional<uint64_t> Rank(const PageReader& reader, const TreeRoot& root,
                             std::string_view key) {
  if (root.height == 0) return 0;
  uint64_t before = 0;
  ChildRef ref = root.ref;
  for (uint32_t level = root.height - 1; level > 0; --level) {
    const uint8_t* const node = reader.Fetch(ref, level);
    if (node == nullptr) return std::nullopt;
    const Inner inner(node);
    const uint32_t index = inner.FindChild(key);
    for (uint32_t i = 0; i < index; ++i) before += inner.count(i);
    ref = inner.child(index);
  }
  const uint8_t* const page = reader.Fetch(ref, 0);
  if (page == nullptr) return std::nullopt;
  return before + Leaf(page).Find(key).index;
}

absl::Status ExplainLookup(const PageReader& reader, const TreeRoot& root, std::string_view key) {
  ChildRef ref = root.ref;
  for (uint32_t level = root.height; level-- > 0;) {
    const uint8_t* const node = reader.Fetch(ref, level);
    if (node == nullptr) return reader.Explain(ref, level);
    if (level == 0) break;
    const Inner inner(node);
    ref = inner.child(inner.FindChild(key));
  }
  return reader.source().DataLoss("a page was damaged a moment ago and is no longer");
}

}  // namespace espalier::tree
