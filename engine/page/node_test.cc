// Leaves and inner nodes: built, changed in place, taken apart, against sorted maps. Every page
// that any of this makes must be sound by validate.h, or reopening the file would refuse it.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "engine/page/node_builder.h"
#include "engine/page/validate.h"
#include "gtest/gtest.h"

namespace espalier::page {
namespace {

using Random = std::mt19937_64;

struct Value {
  std::string bytes;
  bool compressed = false;
  bool large = false;

  Payload payload() const { return {bytes, compressed, large}; }
};

struct Child {
  uint64_t ref;
  uint64_t count;
};

// A page as the tree has it: aligned, with a header.
class TestPage {
 public:
  TestPage(uint32_t page_bytes, Kind kind, uint32_t level)
      : page_bytes_(page_bytes), words_(page_bytes / 8, 0xdededededededede) {
    Header& header = HeaderOf(bytes());
    header = Header{};
    header.identity = Header::MakeIdentity(PageNumber(5), kind, level);
  }
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words_.data()); }
  uint32_t size() const { return page_bytes_; }

 private:
  uint32_t page_bytes_;
  std::vector<uint64_t> words_;
};

std::string KeyAt(const Leaf& leaf, uint32_t index) {
  std::string key;
  leaf.key(index).CopyTo(key);
  return key;
}

std::string SeparatorAt(const Inner& node, uint32_t index) {
  std::string key;
  node.separator(index).CopyTo(key);
  return key;
}

// Keys that share prefixes, heads, and whole other keys.
std::string RandomKey(Random& random) {
  static constexpr const char* kStems[] = {"",     "a",        "ab",
                                           "abcd", "abcdefgh", "the same long stem "};
  std::string key = kStems[random() % std::size(kStems)];
  const uint64_t more = random() % 8;
  for (uint64_t i = 0; i < more; ++i)
    key +=
        "\x00\x01"
        "ab\xff"[random() % 5];
  if (key.empty()) key = "k";
  return key;
}

Value RandomValue(Random& random) {
  Value value;
  value.bytes = std::string(random() % 40, static_cast<char>('a' + random() % 26));
  if (random() % 8 == 0) {
    value.large = true;
    value.bytes = std::string(LargeRef::kEncodedBytes, 'L');
  } else if (random() % 8 == 0 && value.bytes.size() >= 4) {
    value.compressed = true;
  }
  return value;
}

using LeafModel = std::map<std::string, Value>;

std::vector<LeafEntry> EntriesOf(const LeafModel& model) {
  std::vector<LeafEntry> entries;
  for (const auto& [key, value] : model) entries.push_back({key, value.payload()});
  return entries;
}

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
  const LeafModel model = {{"prefix/a", {"1"}}, {"prefix/b", {"2"}}};
  BuildLeaf(EntriesOf(model), page.bytes(), page.size());
  EXPECT_EQ(Leaf(page.bytes()).prefix(), "prefix/");
  EXPECT_FALSE(editor.Insert(2, "q", {}));
  EXPECT_FALSE(editor.Insert(0, "prefix", {}));
  EXPECT_FALSE(editor.Insert(3, "prefix/c", {}));
  EXPECT_FALSE(editor.Replace(2, {}));
  editor.Remove(2);
  ExpectLeaf(page, model);
}

using InnerModel = std::map<std::string, Child>;  // the first child under ""

std::vector<InnerEntry> EntriesOf(const InnerModel& model) {
  std::vector<InnerEntry> entries;
  for (const auto& [separator, child] : model) {
    entries.push_back({separator, ChildRef(child.ref), child.count});
  }
  return entries;
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

// Whatever one byte of a sound page becomes, the page is either refused or can be read without
// going astray. (ASan and the page's neighbours watch.)
TEST_P(NodeTest, ValidationBoundsEveryByte) {
  LeafModel model;
  InnerModel children = {{"", {1, 1}}};
  for (int i = 0; i < 30; ++i) {
    model["stem/" + RandomKey(random_)] = RandomValue(random_);
    children["stem/" + RandomKey(random_)] = {1 + random_() % 1000, 2};
  }
  uint64_t accepted = 0;
  uint64_t refused = 0;
  for (const bool is_leaf : {true, false}) {
    TestPage sound(GetParam(), is_leaf ? Kind::kLeaf : Kind::kInner, is_leaf ? 0 : 1);
    if (is_leaf) {
      BuildLeaf(EntriesOf(model), sound.bytes(), sound.size());
    } else {
      BuildInner(EntriesOf(children), sound.bytes(), sound.size());
    }
    for (uint32_t offset = 8; offset < sound.size(); ++offset) {
      // Free space is the same everywhere.
      if (offset > 1500 && offset + 2500 < sound.size()) continue;
      TestPage page = sound;
      page.bytes()[offset] = static_cast<uint8_t>(
          random_() % 2 == 0 ? random_() : page.bytes()[offset] ^ (1 << random_() % 8));
      if (FindStructuralFault(page.bytes(), page.size()) != nullptr) {
        ++refused;
        continue;
      }
      ++accepted;
      // Kind and level may have changed: read it as what it says.
      const Kind kind = HeaderOf(page.bytes()).kind();
      if (kind == Kind::kLeaf) {
        const Leaf leaf(page.bytes());
        std::string before;
        for (uint32_t i = 0; i < leaf.size(); ++i) {
          const std::string key = KeyAt(leaf, i);
          EXPECT_TRUE(i == 0 || before < key);
          before = key;
          EXPECT_TRUE(leaf.Find(key).exact);
          const Payload payload = leaf.payload(i);
          const uint8_t* const begin = reinterpret_cast<const uint8_t*>(payload.bytes.data());
          EXPECT_GE(begin, page.bytes());
          EXPECT_LE(begin + payload.bytes.size(), page.bytes() + page.size());
        }
      } else if (kind == Kind::kInner) {
        const Inner node(page.bytes());
        std::string before;
        for (uint32_t i = 0; i < node.size(); ++i) {
          const std::string separator = SeparatorAt(node, i);
          EXPECT_TRUE(i == 0 || before < separator);
          before = separator;
          EXPECT_EQ(node.FindChild(separator), i);
        }
      }
      if (HasFailure()) FAIL() << "byte " << offset;
    }
  }
  EXPECT_GT(accepted, 100u);
  EXPECT_GT(refused, 100u);
}

// What no writer makes is refused: a writer that met it would write past the page.
TEST_P(NodeTest, ValidationRefusesWhatIsTooLarge) {
  const size_t longest = MaxKeyBytes(GetParam());
  const size_t largest = (GetParam() - kHeaderBytes) / 2 - Leaf::kEntryArrayBytes -
                         Leaf::kRecordHeaderBytes - 1;  // with a key of one byte
  const auto leaf_fault = [&](const std::string& key, const std::string& value) -> const char* {
    TestPage page(GetParam(), Kind::kLeaf, 0);
    const LeafEntry entry{key, {value}};
    BuildLeaf(absl::MakeConstSpan(&entry, 1), page.bytes(), page.size());
    return FindStructuralFault(page.bytes(), page.size());
  };
  EXPECT_EQ(leaf_fault(std::string(longest, 'k'), "v"), nullptr);
  EXPECT_STREQ(leaf_fault(std::string(longest + 1, 'k'), "v"), "a key is too long");
  EXPECT_EQ(leaf_fault("k", std::string(largest, 'v')), nullptr);
  EXPECT_STREQ(leaf_fault("k", std::string(largest + 1, 'v')), "an entry is too large");

  const auto inner_fault = [&](size_t length) -> const char* {
    TestPage page(GetParam(), Kind::kInner, 1);
    const std::string separator(length, 's');
    const std::array<InnerEntry, 2> entries = {InnerEntry{"", ChildRef(1), 1},
                                               InnerEntry{separator, ChildRef(2), 1}};
    BuildInner(entries, page.bytes(), page.size());
    return FindStructuralFault(page.bytes(), page.size());
  };
  EXPECT_EQ(inner_fault(longest), nullptr);
  EXPECT_STREQ(inner_fault(longest + 1), "a separator is too long");
}

// To change one of two records that overlap is to damage the other. The sizes add up here: what
// is counted twice of one record is called dead of another.
TEST_P(NodeTest, ValidationRefusesRecordsThatOverlap) {
  const std::array<std::string, 4> keys = {"aaaa-key", "bbbb-key", "cccc-key", "dddd-key"};
  std::vector<LeafEntry> entries;
  std::vector<InnerEntry> children = {{"", ChildRef(1), 1}};
  for (const std::string& key : keys) {
    entries.push_back({key, {"value"}});
    children.push_back({key, ChildRef(2), 1});
  }
  // From two records that are the same to two that are apart.
  const uint32_t record_bytes = LeafRecordBytes(8, 5);
  for (uint32_t apart = 0; apart <= record_bytes; ++apart) {
    TestPage page(GetParam(), Kind::kLeaf, 0);
    BuildLeaf(entries, page.bytes(), page.size());
    const Leaf leaf(page.bytes());
    uint8_t* const slot = page.bytes() + (leaf.slots() - page.bytes()) + 2 * 1;
    const uint32_t moved = leaf.slot(2) + apart;
    std::memmove(page.bytes() + moved, leaf.record(1), record_bytes);
    if (apart > 0 && apart < Leaf::kRecordHeaderBytes) continue;  // lengths are damaged
    StoreLE16(slot, static_cast<uint16_t>(moved));
    const char* const fault = FindStructuralFault(page.bytes(), page.size());
    if (apart == record_bytes) {
      EXPECT_EQ(fault, nullptr);
    } else {
      EXPECT_NE(fault, nullptr) << apart;
    }
  }
  TestPage leaf_page(GetParam(), Kind::kLeaf, 0);
  BuildLeaf(entries, leaf_page.bytes(), leaf_page.size());
  const Leaf leaf(leaf_page.bytes());
  uint8_t* const slots = leaf_page.bytes() + (leaf.slots() - leaf_page.bytes());
  StoreLE16(slots + 2, static_cast<uint16_t>(leaf.slot(2)));
  EXPECT_STREQ(FindStructuralFault(leaf_page.bytes(), leaf_page.size()), "two records overlap");

  TestPage inner_page(GetParam(), Kind::kInner, 1);
  BuildInner(children, inner_page.bytes(), inner_page.size());
  const Inner inner(inner_page.bytes());
  uint8_t* const inner_slots = inner_page.bytes() + (inner.slots() - inner_page.bytes());
  EXPECT_EQ(FindStructuralFault(inner_page.bytes(), inner_page.size()), nullptr);
  StoreLE16(inner_slots + 2 * 2, static_cast<uint16_t>(inner.slot(3)));
  EXPECT_STREQ(FindStructuralFault(inner_page.bytes(), inner_page.size()), "two records overlap");
}

INSTANTIATE_TEST_SUITE_P(PageSizes, NodeTest, ::testing::Values(4096u, 16384u, 65536u));

TEST(ArenaTest, GivesDistinctMemoryAndReusesIt) {
  Arena arena;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::pair<char*, size_t>> pieces;
    for (size_t i = 0; i < 3000; ++i) {
      const size_t size = i % 100 == 0 ? 100000 : i % 300;
      char* const piece = arena.Allocate(size);
      std::memset(piece, static_cast<int>(i % 251), size);
      pieces.emplace_back(piece, size);
    }
    for (size_t i = 0; i < pieces.size(); ++i) {
      const auto& [piece, size] = pieces[i];
      EXPECT_TRUE(std::all_of(piece, piece + size,
                              [&](char byte) { return byte == static_cast<char>(i % 251); }));
    }
    EXPECT_EQ(arena.Copy("text"), "text");
    EXPECT_EQ(arena.Copy(""), "");
    arena.Reset();
  }
}

}  // namespace
}  // namespace espalier::page
