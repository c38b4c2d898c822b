#include "engine/page/wait_hint.h"

#include "gtest/gtest.h"

namespace espalier::page {
namespace {

constexpr std::chrono::microseconds kQuick{8};
constexpr std::chrono::microseconds kSlow{300};

TEST(WaitHintTest, OneSlowBatchIsAnInterruption) {
  WaitHint hint;
  for (int i = 0; i < 10; ++i) {
    hint.NoteBatch(kSlow);
    EXPECT_FALSE(hint.announce());
    hint.NoteBatch(kQuick);
    EXPECT_FALSE(hint.announce());
  }
}

TEST(WaitHintTest, SlowBatchesInARowAreWaits) {
  WaitHint hint;
  hint.NoteBatch(kSlow);
  hint.NoteBatch(kSlow);
  EXPECT_TRUE(hint.announce());
}

TEST(WaitHintTest, QuickBatchesEndIt) {
  WaitHint hint;
  hint.NoteBatch(kSlow);
  hint.NoteBatch(kSlow);
  for (int i = 0; i < 30; ++i) hint.NoteBatch(kQuick);
  EXPECT_TRUE(hint.announce());
  hint.NoteBatch(kSlow);  // while announcing, one is enough to go on
  for (int i = 0; i < 60; ++i) hint.NoteBatch(kQuick);
  EXPECT_TRUE(hint.announce());
  for (int i = 0; i < 10; ++i) hint.NoteBatch(kQuick);
  EXPECT_FALSE(hint.announce());
}

}  // namespace
}  // namespace espalier::page
