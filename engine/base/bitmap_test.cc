#include "engine/base/bitmap.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

// The same bits, one by one.
class Model {
 public:
  std::vector<bool> bits;

  size_t FindFirst(bool value, size_t from) const {
    while (from < bits.size() && bits[from] != value) ++from;
    return from;
  }

  std::optional<size_t> FindLastSet() const {
    for (size_t i = bits.size(); i-- > 0;) {
      if (bits[i]) return i;
    }
    return std::nullopt;
  }

  std::optional<size_t> FindRunOfSet(size_t from, size_t length) const {
    for (size_t i = from, run = 0; i < bits.size(); ++i) {
      run = bits[i] ? run + 1 : 0;
      if (run == length) return i + 1 - length;
    }
    return std::nullopt;
  }
};

void ExpectEqual(const Bitmap& bitmap, const Model& model) {
  ASSERT_EQ(bitmap.size(), model.bits.size());
  for (size_t i = 0; i < bitmap.size(); ++i) ASSERT_EQ(bitmap.Test(i), model.bits[i]) << i;
  ASSERT_EQ(bitmap.words().size(), (bitmap.size() + 63) / 64);
  if (bitmap.size() % 64 != 0) {
    ASSERT_EQ(bitmap.words().back() >> (bitmap.size() % 64), 0u) << "bits past the end";
  }
}

TEST(BitmapTest, IsEmptyAtFirst) {
  const Bitmap bitmap;
  EXPECT_EQ(bitmap.size(), 0u);
  EXPECT_EQ(bitmap.Count(), 0u);
  EXPECT_EQ(bitmap.FindFirstSet(0), 0u);
  EXPECT_EQ(bitmap.FindFirstClear(0), 0u);
  EXPECT_EQ(bitmap.FindLastSet(), std::nullopt);
  EXPECT_EQ(bitmap.FindRunOfSet(0, 1), std::nullopt);
  EXPECT_TRUE(bitmap.words().empty());
}

TEST(BitmapTest, GrowsWithClearBitsAfterShrinking) {
  Bitmap bitmap(130);
  bitmap.SetRange(0, 130);
  bitmap.Resize(70);
  bitmap.Resize(200);
  EXPECT_EQ(bitmap.Count(), 70u);
  EXPECT_EQ(bitmap.FindFirstClear(0), 70u);
}

TEST(BitmapTest, FullBitmapHasNoClearBit) {
  Bitmap bitmap(100);
  bitmap.SetRange(0, 100);
  EXPECT_EQ(bitmap.FindFirstClear(0), 100u);
  EXPECT_EQ(bitmap.FindFirstClear(100), 100u);
  EXPECT_EQ(bitmap.FindRunOfSet(0, 100), 0u);
  EXPECT_EQ(bitmap.FindRunOfSet(0, 101), std::nullopt);
  EXPECT_EQ(bitmap.FindRunOfSet(100, 1), std::nullopt);
}

TEST(BitmapTest, FindsRunsAcrossWords) {
  Bitmap bitmap(1000);
  bitmap.SetRange(3, 5);
  bitmap.SetRange(60, 10);    // across one boundary
  bitmap.SetRange(190, 300);  // across several
  EXPECT_EQ(bitmap.FindRunOfSet(0, 5), 3u);
  EXPECT_EQ(bitmap.FindRunOfSet(4, 4), 4u);
  EXPECT_EQ(bitmap.FindRunOfSet(5, 4), 60u);
  EXPECT_EQ(bitmap.FindRunOfSet(62, 9), 190u);
  EXPECT_EQ(bitmap.FindRunOfSet(0, 300), 190u);
  EXPECT_EQ(bitmap.FindRunOfSet(200, 290), 200u);
  EXPECT_EQ(bitmap.FindRunOfSet(200, 291), std::nullopt);
}

TEST(BitmapTest, SetWordDropsWhatLiesPastTheEnd) {
  Bitmap bitmap(70);
  bitmap.SetWord(0, ~uint64_t{0});
  bitmap.SetWord(1, ~uint64_t{0});
  EXPECT_EQ(bitmap.Count(), 70u);
  EXPECT_EQ(bitmap.words()[1], 0x3fu);
}

TEST(BitmapTest, ComparesSizeAndBits) {
  Bitmap one(64);
  Bitmap other(65);
  EXPECT_FALSE(one == other);
  other.Resize(64);
  EXPECT_TRUE(one == other);
  one.Set(63);
  EXPECT_FALSE(one == other);
}

TEST(BitmapTest, BehavesAsItsModel) {
  std::mt19937_64 random(TestSeed());
  const auto below = [&random](size_t limit) { return static_cast<size_t>(random() % limit); };
  for (int round = 0; round < 50; ++round) {
    Bitmap bitmap;
    Model model;
    for (int step = 0; step < 60; ++step) {
      const size_t size = model.bits.size();
      const size_t begin = below(size + 1);
      // Short ranges and long ones, so that runs of all lengths come about.
      const size_t count = std::min(size - begin, below(2) == 0 ? below(10) : below(500));
      const auto first = model.bits.begin() + static_cast<ptrdiff_t>(begin);
      switch (below(6)) {
        case 0: {
          const size_t new_size = below(2) == 0 ? below(1000) : size + below(70);
          bitmap.Resize(new_size);
          model.bits.resize(new_size, false);
          break;
        }
        case 1:
        case 2:
          bitmap.SetRange(begin, count);
          std::fill_n(first, count, true);
          break;
        case 3:
          bitmap.ClearRange(begin, count);
          std::fill_n(first, count, false);
          break;
        case 4:
          if (begin < size) {
            bitmap.Set(begin);
            model.bits[begin] = true;
          }
          break;
        case 5:
          if (begin < size) {
            bitmap.Clear(begin);
            model.bits[begin] = false;
          }
          break;
      }
      ASSERT_NO_FATAL_FAILURE(ExpectEqual(bitmap, model)) << "round " << round << " step " << step;
      const size_t from = below(model.bits.size() + 1);
      const size_t length = below(2) == 0 ? 1 + below(8) : 1 + below(200);
      const size_t span = below(model.bits.size() - from + 1);
      ASSERT_EQ(bitmap.FindFirstSet(from), model.FindFirst(true, from));
      ASSERT_EQ(bitmap.FindFirstSet(from, from + span),
                std::min(from + span, model.FindFirst(true, from)));
      ASSERT_EQ(bitmap.FindFirstClear(from), model.FindFirst(false, from));
      ASSERT_EQ(bitmap.FindLastSet(), model.FindLastSet());
      ASSERT_EQ(bitmap.FindRunOfSet(from, length), model.FindRunOfSet(from, length))
          << "from " << from << " length " << length;
      const auto span_begin = model.bits.begin() + static_cast<ptrdiff_t>(from);
      ASSERT_EQ(bitmap.CountRange(from, span),
                static_cast<size_t>(
                    std::count(span_begin, span_begin + static_cast<ptrdiff_t>(span), true)));
      ASSERT_EQ(bitmap.Count(),
                static_cast<size_t>(std::count(model.bits.begin(), model.bits.end(), true)));
    }
  }
}

}  // namespace
}  // namespace espalier
