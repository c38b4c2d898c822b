#include "engine/tree/tree_writer.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/tree/tree_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::tree {
namespace {

using Random = std::mt19937_64;
using Code = absl::StatusCode;

constexpr size_t kMaxKey = page::MaxKeyBytes(TreeForTesting::kPageBytes);
static_assert(kMaxKey >= 1900);

enum class Shape { kShort, kLong, kMaximal, kCommonPrefix };

std::string RandomKey(Random& random, Shape shape) {
  const std::string number = std::to_string(random() % 2000);
  switch (shape) {
    case Shape::kShort:
      return number;
    case Shape::kLong:
      return std::string(1 + random() % 400, static_cast<char>('a' + random() % 4)) + number;
    case Shape::kMaximal: {
      // Different anywhere: separators are long, too.
      std::string key(kMaxKey - random() % 3, 'm');
      key[random() % key.size()] = static_cast<char>('a' + random() % 26);
      return key;
    }
    case Shape::kCommonPrefix:
      return std::string(200, 'p') + number;
  }
  return number;
}

std::string RandomValue(Random& random) {
  const size_t size = random() % 16 == 0  ? random() % 12000
                      : random() % 4 == 0 ? random() % 1500
                                          : random() % 60;
  return std::string(size, static_cast<char>('a' + random() % 26));
}

// Which of them makes no difference to what comes of it.
TreeWriter::Above RandomAbove(Random& random) {
  return random() % 2 == 0 ? TreeWriter::Above::kUnchanged : TreeWriter::Above::kWritable;
}

class TreeWriterTest : public ::testing::TestWithParam<Shape> {
 protected:
  std::string Key() { return RandomKey(random_, GetParam()); }
  std::string ExistingKey() {
    if (tree_.model().empty()) return Key();
    auto at = tree_.model().begin();
    std::advance(at, random_() % tree_.model().size());
    return at->first;
  }

  Random random_{TestSeed(1)};
  TreeForTesting tree_;
};

TEST_P(TreeWriterTest, RandomChanges) {
  // Grows, shrinks and grows again.
  for (int phase = 0; phase < 6; ++phase) {
    const uint64_t removals = phase % 2 == 0 ? 3 : 13;  // of 16
    for (int step = 0; step < 700; ++step) {
      if (random_() % 16 < removals) {
        tree_.Remove(random_() % 4 == 0 ? Key() : ExistingKey());
      } else {
        tree_.Put(random_() % 4 == 0 ? ExistingKey() : Key(), RandomValue(random_));
      }
      if (random_() % 50 == 0) tree_.Commit();
      if (step % 100 == 99) tree_.Check();
      if (HasFailure()) return;
    }
  }
}

TEST_P(TreeWriterTest, RandomRanges) {
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 60; ++i) tree_.Put(Key(), RandomValue(random_));
    if (random_() % 2 == 0) tree_.Commit();
    std::string begin = random_() % 8 == 0 ? "" : ExistingKey();
    std::optional<std::string> end;
    if (random_() % 8 != 0) {
      end = random_() % 2 == 0 ? ExistingKey() : Key();
      if (*end < begin && random_() % 4 != 0) std::swap(*end, begin);
    }
    tree_.RemoveRange(begin, end);
    tree_.Check();
    if (random_() % 2 == 0) tree_.Commit();
    if (random_() % 4 == 0) {
      tree_.FreeDetached(1 + random_() % 20);
      tree_.Check();
    }
    if (HasFailure()) return;
  }
  tree_.RemoveRange("", std::nullopt);
  EXPECT_EQ(tree_.root().height, 0u);
  tree_.FreeDetached(7);
  tree_.Check();
  EXPECT_EQ(tree_.allocator().reachable_pages(), 0u);
}

TEST_P(TreeWriterTest, RollbackLeavesNoTrace) {
  for (int i = 0; i < 200; ++i) tree_.Put(Key(), RandomValue(random_));
  tree_.Commit();
  for (int round = 0; round < 20; ++round) {
    const page::TreeRoot root = tree_.root();
    const uint64_t reachable = tree_.allocator().reachable_pages();
    const TreeForTesting::Model model = tree_.model();
    for (int i = 0; i < 30; ++i) {
      tree_.Put(Key(), RandomValue(random_));
      tree_.Remove(ExistingKey());
    }
    tree_.RemoveRange(ExistingKey(), std::nullopt);
    tree_.Rollback();
    EXPECT_EQ(tree_.root(), root);
    EXPECT_EQ(tree_.allocator().reachable_pages(), reachable);
    EXPECT_EQ(tree_.model(), model);
    tree_.Check();
    if (HasFailure()) return;
  }
}

TEST_P(TreeWriterTest, RemovingAllOneByOne) {
  for (int i = 0; i < 300; ++i) tree_.Put(Key(), RandomValue(random_));
  tree_.Commit();
  while (!tree_.model().empty()) {
    tree_.Remove(ExistingKey());
    if (tree_.model().size() % 32 == 0) tree_.Check();
    if (HasFailure()) return;
  }
  EXPECT_EQ(tree_.root(), page::TreeRoot());
  EXPECT_EQ(tree_.allocator().reachable_pages(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Shapes, TreeWriterTest,
                         ::testing::Values(Shape::kShort, Shape::kLong, Shape::kMaximal,
                                           Shape::kCommonPrefix));

TEST(TreeWriterOrderTest, AscendingKeysFillThePages) {
  for (const bool append : {true, false}) {
    TreeForTesting tree;
    constexpr int kEntries = 3000;
    for (int i = 0; i < kEntries; ++i) {
      const std::string key = std::to_string(1000000 + i);
      if (append) {
        tree.Append(key, std::string(100, 'v'));
      } else {
        tree.Put(key, std::string(100, 'v'));
      }
    }
    tree.Check();
    const uint64_t raw_bytes = kEntries * 107;
    EXPECT_LT(tree.allocator().reachable_pages() * TreeForTesting::kPageBytes,
              raw_bytes * 115 / 100);
    // Out of order is not appended.
    tree.Append("1", "x");
    tree.Append("1002999", "x");
    tree.Check();
  }
}

// A leaf that begins in one group of keys and goes on in the next gets the prefix of what it holds
// in the end.
TEST(TreeWriterOrderTest, AscendingKeysWithLongCommonStems) {
  TreeForTesting tree;
  uint64_t raw_bytes = 0;
  for (int group = 100; group < 120; ++group) {
    const std::string stem = std::to_string(group) + std::string(60, 's');
    for (int i = 10000; i < 10500; ++i) {
      const std::string key = stem + std::to_string(i);
      tree.Append(key, "value");
      raw_bytes += key.size() + 5;
    }
  }
  tree.Check();
  EXPECT_LT(tree.allocator().reachable_pages() * TreeForTesting::kPageBytes, raw_bytes * 3 / 10);
}

// Where each split left two halves, leaves would be 69 % full on the average.
TEST(TreeWriterOrderTest, KeysAtRandomFillMostOfThePages) {
  constexpr uint64_t kEntries = 20'000;
  TreeForTesting tree;
  Random random(TestSeed(1));
  for (uint64_t i = 0; i < kEntries; ++i) {
    tree.Put(std::to_string(1'000'000'000 + random() % 9'000'000'000), std::string(100, 'v'));
  }
  tree.Check();
  const double pages = static_cast<double>(tree.allocator().reachable_pages());
  const double entry_bytes = 10 + 100 + 10 - 4;  // key, value, what they have besides, a prefix
  const double fill = kEntries * entry_bytes / (pages * TreeForTesting::kPageBytes);
  EXPECT_GT(fill, 0.75);
}

TEST(TreeWriterOrderTest, DescendingKeys) {
  TreeForTesting tree;
  for (int i = 3000; i > 0; --i) tree.Put(std::to_string(1000000 + i), std::string(100, 'v'));
  tree.Check();
}

// Each key is a prefix of the next: separators are as long as keys.
TEST(TreeWriterOrderTest, ChainOfPrefixes) {
  TreeForTesting tree;
  for (size_t i = 1; i <= kMaxKey; i += 3) tree.Put(std::string(i, 'c'), std::to_string(i));
  tree.Check();
  for (size_t i = 1; i <= kMaxKey; i += 6) tree.Remove(std::string(i, 'c'));
  tree.Check();
}

// INV-1: what a published version reaches stays as it is, whatever later transactions do.
TEST(TreeWriterVersionsTest, OlderVersionsStayReadable) {
  Random random(TestSeed(1));
  TreeForTesting tree;
  for (int i = 0; i < 300; ++i) tree.Put(RandomKey(random, Shape::kShort), RandomValue(random));
  // The test's commits give freed pages back unless they are protected: so protect by not
  // reclaiming.
  const page::TreeRoot root = tree.root();
  const TreeForTesting::Model model = tree.model();
  tree.allocator().Commit();
  tree.allocator().Begin(Version(100));
  const page::PageReader before(&tree.file().source(), Version(99), tree.allocator().page_count());
  PageWriter pages(&tree.allocator(), Version(100));
  page::TreeRoot working = root;
  ValueEncoder encoder;
  TreeWriter writer(&pages, &tree.arena(), &working);
  for (int i = 0; i < 500; ++i) {
    const std::string key = RandomKey(random, Shape::kShort);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const TreeWriter::Place place,
                                  writer.Seek(key, RandomAbove(random)));
    if (place.exact && random() % 2 == 0) {
      ASSERT_THAT(writer.Remove(), IsOk());
      continue;
    }
    const std::string value = RandomValue(random);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const page::Payload payload,
                                  encoder.Encode(pages, key.size(), value, 0));
    ASSERT_THAT(writer.Put(key, payload), IsOk());
  }
  Cursor cursor(before, root);
  auto expected = model.begin();
  page::Arena values;
  for (bool found = cursor.First(); found; found = cursor.Next()) {
    ASSERT_NE(expected, model.end());
    values.Reset();
    EXPECT_THAT(DecodeValue(before, cursor.payload(), values), IsOkAndHolds(expected->second));
    ++expected;
  }
  EXPECT_EQ(expected, model.end());
  EXPECT_THAT(cursor.status(), IsOk());
}

// A page that a transaction has written is changed in place afterwards: a second change of the same
// leaf allocates nothing.
TEST(TreeWriterVersionsTest, OwnPagesAreChangedInPlace) {
  TreeForTesting tree;
  for (int i = 0; i < 1000; ++i) tree.Put(std::to_string(10000 + i), "v");
  tree.Commit();
  tree.Put("10500", "w");
  const page::TreeRoot root = tree.root();
  const uint64_t free_pages = tree.allocator().free_pages();
  tree.Put("10500", "x");
  tree.Put("10500", "y");
  EXPECT_EQ(tree.root(), root);
  EXPECT_EQ(tree.allocator().free_pages(), free_pages);
  tree.Check();
}

TEST(TreeWriterErrorsTest, AFullDiskIsAStatus) {
  Random random(TestSeed(1));
  TreeForTesting tree;
  tree.file().set_limit_pages(200);
  ValueEncoder encoder;
  int failures = 0;
  for (int round = 0; round < 10; ++round) {
    absl::Status status;
    for (int i = 0; i < 1000 && status.ok(); ++i) {
      const std::string key = RandomKey(random, Shape::kLong);
      TreeWriter writer(&tree.pages(), &tree.arena(), &tree.root());
      status = writer.Seek(key, RandomAbove(random)).status();
      if (!status.ok()) break;
      const std::string value = RandomValue(random);
      const auto payload = encoder.Encode(tree.pages(), key.size(), value, 0);
      status = payload.status();
      if (status.ok()) status = writer.Put(key, *payload).status();
    }
    if (!status.ok()) {
      ++failures;
      EXPECT_THAT(status, StatusIs(Code::kResourceExhausted));
    }
    tree.Rollback();
    tree.Check();
    if (HasFailure()) return;
    // What fits is kept.
    for (int i = 0; i < 20; ++i) tree.Put(RandomKey(random, Shape::kShort), "small");
    tree.Commit();
    tree.Check();
  }
  EXPECT_GT(failures, 5);
}

TEST(TreeWriterErrorsTest, DamageIsAStatus) {
  TreeForTesting tree;
  for (int i = 0; i < 1000; ++i) tree.Put(std::to_string(10000 + i), std::string(50, 'v'));
  tree.Commit();
  // A leaf in the middle says that it is another page.
  const page::Inner root(tree.reader().Fetch(tree.root().ref, tree.root().height - 1));
  const PageNumber damaged = root.child(root.size() / 2).number();
  page::HeaderOf(tree.pages().source().write_page(damaged)).identity ^= 1;
  int refused = 0;
  for (int i = 0; i < 1000; i += 10) {
    const std::string key = std::to_string(10000 + i);
    TreeWriter writer(&tree.pages(), &tree.arena(), &tree.root());
    const auto place = writer.Seek(key);
    const Found found = Find(tree.reader(), tree.root(), key);
    if (place.ok()) {
      EXPECT_TRUE(place->exact);
      EXPECT_EQ(found.outcome, Outcome::kFound);
    } else {
      ++refused;
      EXPECT_THAT(place, StatusIs(Code::kDataLoss));
      EXPECT_EQ(found.outcome, Outcome::kDamaged);
      EXPECT_THAT(ExplainLookup(tree.reader(), tree.root(), key), StatusIs(Code::kDataLoss));
      EXPECT_EQ(Rank(tree.reader(), tree.root(), key), std::nullopt);
    }
  }
  EXPECT_GT(refused, 0);
  Cursor cursor(tree.reader(), tree.root());
  int entries = 0;
  for (bool more = cursor.First(); more; more = cursor.Next()) ++entries;
  EXPECT_THAT(cursor.status(), StatusIs(Code::kDataLoss));
  EXPECT_GT(entries, 100);
  for (bool more = cursor.Last(); more; more = cursor.Prev()) ++entries;
  EXPECT_THAT(cursor.status(), StatusIs(Code::kDataLoss));
  EXPECT_LT(entries, 1000);
  // A cursor that failed can be used again.
  EXPECT_TRUE(cursor.First());
  EXPECT_THAT(cursor.status(), IsOk());
}

}  // namespace
}  // namespace espalier::tree
