// Nodes that are full to the last byte, and whose entries come to share more than they did when the
// node was built: to build it anew, with those entries or some of them, must not take more room. It
// did: the longer prefix was stored even where the keys have nothing behind their heads that it
// could spare, and the node reached into the next page.
#include <cstdint>
#include <random>
#include <string>

#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/tree/tree_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::tree {
namespace {

std::string BigEndian(uint32_t number, size_t bytes = 4) {
  uint8_t buffer[4];
  StoreBE32(buffer, number);
  return {reinterpret_cast<const char*>(buffer) + (4 - bytes), bytes};
}

TEST(FullNodesTest, ALeafThatIsLeftBehind) {
  TreeForTesting tree;
  const auto append = [&](uint8_t group, uint8_t number, size_t value_bytes) {
    const std::string key = {'A', static_cast<char>(group), 0, 0, static_cast<char>(number)};
    tree.Append(key, std::string(value_bytes, 'v'));
  };
  append(0, 0, 1000);
  for (uint8_t i = 0; i < 3; ++i) append(1, i, 1000);
  // This leaf begins with the prefix of the one before.
  for (uint8_t i = 0; i < 3; ++i) append(2, i, 1000);
  append(2, 3, 1023);
  tree.Append("B", "x");
  tree.Check();
}

// An inner node of 184 children, whose separators share a byte more than its prefix has.
class FullInnerNodeTest : public ::testing::Test {
 protected:
  FullInnerNodeTest() {
    for (const uint32_t number : {0, 1, 2, 3, 0x01000000}) Append(number);
    tree_.Remove(KeyOf(2));
    tree_.Remove(KeyOf(3));
    for (uint32_t i = 1; i <= 0x16d; ++i) Append(0x01000000 + i);
    tree_.Check();
    EXPECT_EQ(tree_.root().height, 2u);
  }

  static std::string KeyOf(uint32_t number) { return "sixteen bytes, U" + BigEndian(number); }
  void Append(uint32_t number) { tree_.Append(KeyOf(number), std::string(2000, 'v')); }

  TreeForTesting tree_;
};

TEST_F(FullInnerNodeTest, ARangeOfNothing) {
  tree_.RemoveRange(KeyOf(0x02000000), KeyOf(0x03000000));
  tree_.Check();
}

TEST_F(FullInnerNodeTest, ANodeThatIsLeftBehind) {
  Append(0x0100016e);
  EXPECT_EQ(tree_.root().height, 3u);
  tree_.Check();
}

// Keys of a stem and a small number, and values such that leaves come to be full.
TEST(FullNodesTest, InAnyOrder) {
  std::mt19937_64 random(TestSeed(1));
  for (int round = 0; round < 60; ++round) {
    TreeForTesting tree;
    const std::string stem(random() % 41, 's');
    const size_t number_bytes = 2 + random() % 3;
    const size_t value_bytes = round % 2 == 0 ? 1990 - random() % 40 : 200 + random() % 900;
    uint32_t newest = 0;
    const auto number = [&] { return static_cast<uint32_t>(random() % (newest + 2)); };
    const auto key = [&](uint32_t i) { return stem + BigEndian(i, number_bytes); };
    for (int step = 0; step < 1200 && newest < 0xff00; ++step) {
      const std::string value(value_bytes + random() % 4, 'v');
      switch (random() % 16) {
        case 0:
          newest += 1 + (number_bytes > 2 ? uint32_t{1} << random() % 12 : 0);
          [[fallthrough]];
        default:
          tree.Append(key(++newest), value);
          break;
        case 1:
        case 2:
          tree.Put(key(number()), value);
          break;
        case 3:
        case 4:
        case 5:
          tree.Remove(key(number()));
          break;
        case 6: {
          // Of few entries, or of none.
          const uint32_t begin = number();
          tree.RemoveRange(key(begin), key(begin + static_cast<uint32_t>(random() % 3)));
          break;
        }
        case 7:
          tree.Commit();
          if (random() % 16 == 0) tree.FreeDetached(1 + random() % 20);
          break;
      }
      if (random() % 256 == 0) {
        const bool repack = random() % 2 == 0;
        tree.Tidy(repack, repack ? UINT64_MAX : random() % tree.allocator().page_count());
      }
      if (step % 200 == 199) tree.Check();
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace espalier::tree
