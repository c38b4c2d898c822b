#include "engine/page/validate.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"
#include "engine/page/node_builder.h"
#include "engine/page/node_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::page {
namespace {

class ValidateTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  Random random_{TestSeed(1)};
};

// Whatever one byte of a sound page becomes, the page is either refused or can be read without
// going astray. (ASan and the page's neighbours watch.)
TEST_P(ValidateTest, BoundsEveryByte) {
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
TEST_P(ValidateTest, RefusesWhatIsTooLarge) {
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

// To change one of two records that overlap is to damage the other. All else is in order here: the
// page first has as many dead bytes as the overlap then takes.
TEST_P(ValidateTest, RefusesRecordsThatOverlap) {
  std::vector<LeafEntry> entries;
  std::vector<InnerEntry> children = {{"", ChildRef(1), 1}};
  for (const std::string_view key : {"aaaa-key", "bbbb-key", "cccc-key", "dddd-key"}) {
    entries.push_back({key, {"value"}});
    children.push_back({key, ChildRef(2), 1});
  }
  const auto expect_overlap = [](TestPage& page, uint8_t* length, uint32_t overlap) {
    Header& header = HeaderOf(page.bytes());
    header.heap_used = static_cast<uint16_t>(header.heap_used + overlap);
    header.heap_dead = static_cast<uint16_t>(overlap);
    EXPECT_EQ(FindStructuralFault(page.bytes(), page.size()), nullptr);
    header.heap_dead = 0;
    StoreLE16(length, static_cast<uint16_t>(LoadLE16(length) + overlap));
    EXPECT_STREQ(FindStructuralFault(page.bytes(), page.size()), "two records overlap");
  };
  // The second record's payload, or separator, reaches into the one behind it.
  for (uint32_t overlap = 1; overlap <= LeafRecordBytes(8, 5); ++overlap) {
    TestPage page(GetParam(), Kind::kLeaf, 0);
    BuildLeaf(entries, page.bytes(), page.size());
    expect_overlap(page, page.bytes() + Leaf(page.bytes()).slot(1) + 2, overlap);
  }
  for (uint32_t overlap = 1; overlap <= InnerRecordBytes(8); ++overlap) {
    TestPage page(GetParam(), Kind::kInner, 1);
    BuildInner(children, page.bytes(), page.size());
    expect_overlap(page, page.bytes() + Inner(page.bytes()).slot(2), overlap);
  }
}

INSTANTIATE_TEST_SUITE_P(PageSizes, ValidateTest, ::testing::Values(4096u, 16384u, 65536u));

}  // namespace
}  // namespace espalier::page
