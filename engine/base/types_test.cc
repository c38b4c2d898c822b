#include "engine/base/types.h"

#include <type_traits>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

static_assert(!std::is_convertible_v<uint64_t, PageNumber>);
static_assert(!std::is_convertible_v<PageNumber, Version>);
static_assert(!std::is_constructible_v<PageNumber, Version>);
static_assert(sizeof(PageNumber) == sizeof(uint64_t));

TEST(TypesTest, ComparesByValue) {
  EXPECT_LT(Version(1), Version(2));
  EXPECT_EQ(PageNumber(), PageNumber(0));
}

TEST(TypesTest, CanBeHashed) {
  const absl::flat_hash_set<PageNumber> pages = {PageNumber(1), PageNumber(2), PageNumber(1)};
  EXPECT_EQ(pages.size(), 2u);
  EXPECT_TRUE(pages.contains(PageNumber(2)));
}

}  // namespace
}  // namespace espalier
