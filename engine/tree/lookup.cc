#include "engine/tree/lookup.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "engine/base/prefetch.h"
#include "engine/page/inner.h"

namespace espalier::tree {
namespace {

using page::ChildRef;
using page::Inner;
using page::Leaf;
using page::PageReader;
using page::TreeRoot;

// Lookups in flight at once: enough to cover the latency of memory with the misses that a core can
// have outstanding.
constexpr size_t kGroup = 32;

// A binary search under way among the heads of a node.
struct Probe {
  const uint8_t* heads;
  uint32_t head;   // looked for
  uint32_t first;  // the answer is at or after this index,
  uint32_t count;  // among so many
};

// Sets up the search for `key`; settles it at once where the node's prefix decides.
template <typename Node>
Probe BeginProbe(const Node& node, std::string_view key, uint32_t first) {
  const uint32_t prefix_length = node.prefix_length();
  const int order = page::ComparePrefix(key, node.prefix_bytes(), prefix_length);
  if (order != 0) return {node.heads(), 0, order < 0 ? first : node.size(), 0};
  return {node.heads(), page::HeadOf(key.substr(prefix_length)), first,
          std::max(node.size(), first) - first};
}

// LowerBoundHeads() for all of them, a step of each in turn, so that their cache misses overlap.
void FinishProbes(absl::Span<Probe> probes) {
  uint32_t longest = 0;
  for (const Probe& probe : probes) longest = std::max(longest, probe.count);
  for (; longest > 1; longest -= longest / 2) {
    for (Probe& probe : probes) {
      // A search that is over takes no further step: half of one is nothing.
      const uint32_t half = probe.count / 2;
      const uint32_t before = probe.first + half - (half > 0 ? 1 : 0);
      // Arithmetic instead of a branch, which would be mispredicted half of the time.
      const bool less = LoadLE32(probe.heads + size_t{4} * before) < probe.head;
      probe.first += half & (0u - static_cast<uint32_t>(less));
      probe.count -= half;
    }
  }
  for (Probe& probe : probes) {
    if (probe.count > 0 && LoadLE32(probe.heads + size_t{4} * probe.first) < probe.head) {
      ++probe.first;
    }
  }
}

// The child of `node` below which `key` belongs, the search among the heads having ended at
// `probe`.
ChildRef ChildAt(const Inner& node, std::string_view key, const Probe& probe) {
  if (probe.first < node.size() && LoadLE32(node.heads() + size_t{4} * probe.first) == probe.head)
      [[unlikely]] {
    return node.child(node.FindChild(key));
  }
  return node.child(probe.first - 1);
}

void FindGroup(const PageReader& reader, const TreeRoot& root,
               absl::Span<const std::string_view> keys, bool announce_leaves,
               absl::Span<Found> found) {
  const size_t count = keys.size();
  std::array<ChildRef, kGroup> refs;
  refs.fill(root.ref);
  std::array<const uint8_t*, kGroup> nodes{};
  std::array<Probe, kGroup> probe_array;
  const absl::Span<Probe> probes = absl::MakeSpan(probe_array).first(count);
  // The nodes of a level; a damaged one ends the lookup, which then searches the root again for
  // nothing.
  const auto fetch = [&](uint32_t level) {
    for (size_t i = 0; i < count; ++i) {
      nodes[i] = reader.Fetch(refs[i], level);
      if (nodes[i] == nullptr) found[i].outcome = Outcome::kDamaged;
    }
  };
  constexpr Probe kNothing = {nullptr, 0, 0, 0};
  static constexpr uint8_t kNoHeads[4] = {};
  for (uint32_t level = root.height - 1; level > 0; --level) {
    fetch(level);
    for (size_t i = 0; i < count; ++i) {
      probes[i] = nodes[i] != nullptr ? BeginProbe(Inner(nodes[i]), keys[i], 1) : kNothing;
      if (nodes[i] == nullptr) probes[i].heads = kNoHeads;
    }
    FinishProbes(probes);
    for (size_t i = 0; i < count; ++i) {
      // A null reference leads nowhere: the lookup stays damaged.
      refs[i] = nodes[i] != nullptr ? ChildAt(Inner(nodes[i]), keys[i], probes[i]) : ChildRef();
    }
    if (announce_leaves && level == 1) {
      for (size_t i = 0; i < count; ++i) reader.AnnounceNode(refs[i]);
    }
    for (size_t i = 0; i < count; ++i) reader.PrefetchNode(refs[i], level - 1);
  }
  fetch(0);
  for (size_t i = 0; i < count; ++i) {
    probes[i] = nodes[i] != nullptr ? BeginProbe(Leaf(nodes[i]), keys[i], 0) : kNothing;
    if (nodes[i] == nullptr) probes[i].heads = kNoHeads;
  }
  FinishProbes(probes);
  // The head alone nearly always tells the record: all of them are fetched before the first is
  // read.
  for (size_t i = 0; i < count; ++i) {
    if (nodes[i] == nullptr || probes[i].first >= Leaf(nodes[i]).size()) continue;
    const uint8_t* const record = Leaf(nodes[i]).record(probes[i].first);
    PrefetchLines(record, 2);
  }
  for (size_t i = 0; i < count; ++i) {
    if (nodes[i] == nullptr) continue;
    const Leaf leaf(nodes[i]);
    const page::Position position = leaf.Find(keys[i]);
    if (position.exact) found[i] = {Outcome::kFound, leaf.payload(position.index)};
  }
}

}  // namespace

Found Find(const PageReader& reader, const TreeRoot& root, std::string_view key) {
  if (root.height == 0) return {};
  ChildRef ref = root.ref;
  for (uint32_t level = root.height - 1; level > 0; --level) {
    const uint8_t* const node = reader.Fetch(ref, level);
    if (node == nullptr) return {Outcome::kDamaged, {}};
    const Inner inner(node);
    ref = inner.child(inner.FindChild(key));
    reader.PrefetchNode(ref, level - 1);
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
  using Clock = std::chrono::steady_clock;
  page::WaitHint& hint = reader.source().wait_hint();
  for (size_t first = 0; first < keys.size(); first += kGroup) {
    const size_t count = std::min(kGroup, keys.size() - first);
    const Clock::time_point begin = Clock::now();
    FindGroup(reader, root, keys.subspan(first, count), hint.announce(),
              found.subspan(first, count));
    hint.NoteBatch(Clock::now() - begin);
  }
}

std::optional<uint64_t> Rank(const PageReader& reader, const TreeRoot& root, std::string_view key) {
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
