// Leaves and inner nodes: built, changed in place, taken apart, against sorted maps. Every page
// that any of this makes must be sound by validate.h, or reopening the file would refuse it.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"
#include "engine/page/node_builder.h"
#include "engine/page/node_for_testing.h"
#include "engine/page/validate.h"
#include "gtest/gtest.h"

namespace espalier::page {
namespace {

void ExpectLeaf(TestPage& page, const LeafModel& model) {
  ASSERT_EQ(FindStructuralFault(page.bytes(), page.size()), nullptr)
      << FindStructuralFault(page.bytes(), page.size());
  const Leaf leaf(page.bytes());
  ASSERT_EQ(leaf.size(), model.size());
  uint32_t index = 0;
  for (const auto& [key, value] : model) {
    EXPECT_EQ(KeyAt(leaf, index), key);
    const Payload payload = leaf.payload(index);
    EXPECT_EQ(payload.bytes, value.bytes);
    EXPECT_EQ(payload.compressed, value.compressed);
    EXPECT_EQ(payload.large, value.large);
    const Position position = leaf.Find(key);
    EXPECT_TRUE(position.exact);
    EXPECT_EQ(position.index, index);
    ++index;
  }
}

class NodeTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  // Filling a node to be cut costs the square of its size.
  static uint32_t CutRounds() { return 8 + 192 * 4096 / GetParam(); }

  Random random_{TestSeed(1)};
};

TEST_P(NodeTest, LeafChangedAtRandom) {
  for (int round = 0; round < 20; ++round) {
    TestPage page(GetParam(), Kind::kLeaf, 0);
    LeafModel model = {{RandomKey(random_), RandomValue(random_)}};
    BuildLeaf(EntriesOf(model), page.bytes(), page.size());
    for (int step = 0; step < 400; ++step) {
      const std::string key = RandomKey(random_);
      const Value value = RandomValue(random_);
      LeafEditor editor(page.bytes(), page.size());
      const Position position = Leaf(page.bytes()).Find(key);
      const auto at = model.lower_bound(key);
      ASSERT_EQ(position.exact, at != model.end() && at->first == key);
      ASSERT_EQ(position.index, static_cast<uint32_t>(std::distance(model.begin(), at)));
      if (random_() % 3 == 0 && position.exact) {
        editor.Remove(position.index);
        model.erase(at);
      } else {
        LeafModel after = model;
        after[key] = value;
        const bool done = position.exact ? editor.Replace(position.index, value.payload())
                                         : editor.Insert(position.index, key, value.payload());
        if (done) {
          model = after;
        } else if (LeafBytes(EntriesOf(after)) <= page.size()) {
          // What fits is built anew: other prefix, no dead bytes.
          Arena arena;
          std::vector<LeafEntry> entries;
          TakeApart(Leaf(page.bytes()), /*copy_payloads=*/true, arena, entries);
          ASSERT_EQ(entries.size(), model.size());
          if (position.exact) {
            entries[position.index].payload = value.payload();
          } else {
            entries.insert(entries.begin() + position.index, LeafEntry{key, value.payload()});
          }
          ASSERT_EQ(LeafBytes(entries), LeafBytes(EntriesOf(after)));
          BuildLeaf(entries, page.bytes(), page.size());
          EXPECT_EQ(Leaf(page.bytes()).UsedBytes(), LeafBytes(entries));
          model = after;
        } else {
          // A refusal changes nothing, but for room that a longer value gave up. Then it is split.
          ExpectLeaf(page, model);
          break;
        }
      }
      if (step % 16 == 0) ExpectLeaf(page, model);
      if (HasFailure()) return;
    }
    ExpectLeaf(page, model);
  }
}

TEST_P(NodeTest, LeafReplaceUsesTheRoomThatThereIs) {
  TestPage page(GetParam(), Kind::kLeaf, 0);
  LeafModel model;
  for (int i = 0; i < 10; ++i) model["key" + std::to_string(i)] = {std::string(20, 'v')};
  BuildLeaf(EntriesOf(model), page.bytes(), page.size());
  LeafEditor editor(page.bytes(), page.size());
  // Shorter always fits, in place; longer takes a new record.
  for (const size_t size : {19u, 0u, 20u, 100u, 5u}) {
    model["key4"].bytes = std::string(size, 'n');
    ASSERT_TRUE(editor.Replace(4, model["key4"].payload()));
    ExpectLeaf(page, model);
  }
  // Its own bytes as the new payload.
  std::memcpy(editor.payload_bytes(4), "12345", 5);
  model["key4"].bytes = "12345";
  ExpectLeaf(page, model);
  ASSERT_TRUE(editor.Replace(4, Leaf(page.bytes()).payload(4)));
  ExpectLeaf(page, model);
}

TEST_P(NodeTest, LeafRefusesWhatDoesNotSharePrefixOrPlace) {
  TestPage page(GetParam(), Kind::kLeaf, 0);
  BuildLeaf({}, page.bytes(), page.size());
  LeafEditor editor(page.bytes(), page.size());
  EXPECT_FALSE(editor.Insert(0, "first", {}));  // an empty leaf is built
  const LeafModel model = {{"prefix/a...", {"1"}}, {"prefix/b...", {"2"}}};
  BuildLeaf(EntriesOf(model), page.bytes(), page.size());
  EXPECT_EQ(Leaf(page.bytes()).prefix(), "prefix/");
  EXPECT_FALSE(editor.Insert(2, "q", {}));
  EXPECT_FALSE(editor.Insert(0, "prefix", {}));
  EXPECT_FALSE(editor.Insert(3, "prefix/c", {}));
  EXPECT_FALSE(editor.Replace(2, {}));
  editor.Remove(2);
  ExpectLeaf(page, model);
}

void ExpectInner(TestPage& page, const InnerModel& model) {
  ASSERT_EQ(FindStructuralFault(page.bytes(), page.size()), nullptr)
      << FindStructuralFault(page.bytes(), page.size());
  const Inner node(page.bytes());
  ASSERT_EQ(node.size(), model.size());
  uint32_t index = 0;
  for (const auto& [separator, child] : model) {
    EXPECT_EQ(SeparatorAt(node, index), separator);
    EXPECT_EQ(node.child(index).bits(), child.ref);
    EXPECT_EQ(node.count(index), child.count);
    EXPECT_EQ(node.FindChild(separator), index);
    EXPECT_EQ(node.FindChild(separator + std::string(1, '\0')),
              static_cast<uint32_t>(std::distance(
                  model.begin(), model.upper_bound(separator + std::string(1, '\0')))) -
                  1);
    ++index;
  }
}

TEST_P(NodeTest, InnerChangedAtRandom) {
  for (int round = 0; round < 20; ++round) {
    TestPage page(GetParam(), Kind::kInner, 1);
    InnerModel model = {{"", {100, 1}}};
    while (model.size() < 3) model[RandomKey(random_)] = {1 + random_() % 1000, random_() % 100};
    BuildInner(EntriesOf(model), page.bytes(), page.size());
    ExpectInner(page, model);
    for (int step = 0; step < 400; ++step) {
      const std::string key = RandomKey(random_);
      InnerEditor editor(page.bytes(), page.size());
      const Inner node(page.bytes());
      const uint32_t child = node.FindChild(key);
      ASSERT_EQ(child,
                static_cast<uint32_t>(std::distance(model.begin(), model.upper_bound(key))) - 1);
      const bool exists = model.contains(key);
      switch (random_() % 6) {
        case 0:
          if (exists) {
            editor.Remove(child);
            model.erase(key);
          } else if (child == 0 && model.size() > 1) {
            editor.Remove(0);
            model[""] = std::next(model.begin())->second;
            model.erase(std::next(model.begin()));
          }
          break;
        case 1: {
          auto at = model.begin();
          std::advance(at, child);
          at->second.ref = 1 + random_() % 100000;
          editor.SetChild(child, ChildRef(at->second.ref));
          break;
        }
        case 2: {
          auto at = model.begin();
          std::advance(at, child);
          const int64_t delta = static_cast<int64_t>(random_() % 9) - 4;
          at->second.count += static_cast<uint64_t>(delta);
          editor.AddToCount(child, delta);
          break;
        }
        default: {
          if (exists) break;
          InnerModel after = model;
          after[key] = {1 + random_() % 1000, random_() % 100};
          if (editor.Insert(child + 1, key, ChildRef(after[key].ref), after[key].count)) {
            model = after;
          } else if (InnerBytes(EntriesOf(after)) <= page.size()) {
            BuildInner(EntriesOf(after), page.bytes(), page.size());
            EXPECT_EQ(Inner(page.bytes()).UsedBytes(), InnerBytes(EntriesOf(after)));
            model = after;
          } else {
            ExpectInner(page, model);
          }
        }
      }
      if (step % 16 == 0) ExpectInner(page, model);
      if (HasFailure()) return;
    }
    Arena arena;
    std::vector<InnerEntry> entries;
    TakeApart(Inner(page.bytes()), arena, entries);
    ASSERT_EQ(entries.size(), model.size());
    TestPage again(GetParam(), Kind::kInner, 1);
    BuildInner(entries, again.bytes(), again.size());
    ExpectInner(again, model);
  }
}

TEST_P(NodeTest, InnerWithOneChildLeadsEverywhereToIt) {
  TestPage page(GetParam(), Kind::kInner, 1);
  BuildInner(EntriesOf(InnerModel{{"", {7, 3}}}), page.bytes(), page.size());
  EXPECT_EQ(FindStructuralFault(page.bytes(), page.size()), nullptr);
  for (const std::string_view key : {"", "a", "\xff\xff\xff\xff\xff"}) {
    EXPECT_EQ(Inner(page.bytes()).FindChild(key), 0u);
  }
}

// What was taken out of a page goes back into it, whatever prefix it had there, and some of it as
// well: a longer prefix is no gain where the keys have nothing behind their heads.
TEST_P(NodeTest, NoMoreRoomIsTakenByWhatIsBuiltAnew) {
  for (int round = 0; round < 300; ++round) {
    const std::string stem(random_() % 20, 's');
    const uint64_t longest_rest = 1 + random_() % 8;
    LeafModel leaf_model;
    InnerModel inner_model = {{"", {1, 1}}};
    for (uint64_t i = 1 + random_() % 12; i > 0; --i) {
      std::string key = stem;
      for (uint64_t j = 1 + random_() % longest_rest; j > 0; --j) {
        key += static_cast<char>('a' + random_() % 2);
      }
      leaf_model[key] = {std::string(random_() % 30, 'v')};
      inner_model[key] = {1, 1};
    }
    const std::vector<LeafEntry> leaf_entries = EntriesOf(leaf_model);
    const uint32_t leaf_bytes = LeafBytes(leaf_entries);
    for (uint32_t longest_prefix = 0; longest_prefix < 30; ++longest_prefix) {
      TestPage page(GetParam(), Kind::kLeaf, 0);
      BuildLeaf(leaf_entries, page.bytes(), page.size(), longest_prefix);
      EXPECT_LE(leaf_bytes, Leaf(page.bytes()).UsedBytes());
    }
    const std::vector<InnerEntry> inner_entries = EntriesOf(inner_model);
    std::vector<LeafEntry> some_leaf_entries;
    std::vector<InnerEntry> some_inner_entries;
    for (const LeafEntry& entry : leaf_entries) {
      if (random_() % 4 != 0) some_leaf_entries.push_back(entry);
    }
    for (const InnerEntry& entry : inner_entries) {
      if (random_() % 4 != 0) some_inner_entries.push_back(entry);
    }
    EXPECT_LE(LeafBytes(some_leaf_entries), leaf_bytes);
    EXPECT_LE(InnerBytes(some_inner_entries), InnerBytes(inner_entries));
  }
}

// Both halves of a cut fit, for entries of at most half a page, and the separator is as short as
// can be without making them very uneven.
TEST_P(NodeTest, LeafCuts) {
  for (uint32_t round = 0; round < CutRounds(); ++round) {
    LeafModel model;
    const uint64_t shape = random_() % 4;
    while (LeafBytes(EntriesOf(model)) <= GetParam()) {
      std::string key = RandomKey(random_);
      uint64_t limit = 30;
      if (shape == 1) key.insert(0, "common stem of all the keys, quite long");
      if (shape == 2) limit = (GetParam() - kHeaderBytes) / 2 - 60;  // up to half a page
      if (shape == 3) key += std::string(random_() % 600, 'k');
      if (limit > 30 && random_() % 3 == 0) limit = 30;
      model[key + std::to_string(random_() % 1000)] = {std::string(random_() % limit, 'v')};
    }
    const std::vector<LeafEntry> entries = EntriesOf(model);
    const uint32_t cut = ChooseLeafCut(entries, GetParam());
    ASSERT_GT(cut, 0u);
    ASSERT_LT(cut, entries.size());
    const absl::Span<const LeafEntry> list = entries;
    EXPECT_LE(LeafBytes(list.first(cut)), GetParam());
    EXPECT_LE(LeafBytes(list.subspan(cut)), GetParam());
    TestPage left(GetParam(), Kind::kLeaf, 0);
    BuildLeaf(list.first(cut), left.bytes(), left.size());
    ExpectLeaf(left, LeafModel(model.begin(), std::next(model.begin(), cut)));
    TestPage right(GetParam(), Kind::kLeaf, 0);
    BuildLeaf(list.subspan(cut), right.bytes(), right.size());
    ExpectLeaf(right, LeafModel(std::next(model.begin(), cut), model.end()));
    if (HasFailure()) return;
  }
}

TEST_P(NodeTest, InnerCuts) {
  for (uint32_t round = 0; round < CutRounds(); ++round) {
    InnerModel model = {{"", {1, 1}}};
    const bool long_keys = random_() % 2 == 0;
    while (InnerBytes(EntriesOf(model)) <= GetParam()) {
      std::string key = RandomKey(random_) + std::to_string(random_() % 100000);
      if (long_keys) key += std::string(random_() % (GetParam() / 2 - 100), 's');
      model[key] = {1 + random_() % 1000, 1};
    }
    const std::vector<InnerEntry> entries = EntriesOf(model);
    const uint32_t cut = ChooseInnerCut(entries, GetParam());
    ASSERT_GT(cut, 0u);
    ASSERT_LT(cut, entries.size());
    const absl::Span<const InnerEntry> list = entries;
    EXPECT_LE(InnerBytes(list.first(cut)), GetParam());
    EXPECT_LE(InnerBytes(list.subspan(cut)), GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(PageSizes, NodeTest, ::testing::Values(4096u, 16384u, 65536u));

}  // namespace
}  // namespace espalier::page
