#include "engine/base/status_macros.h"

#include <memory>
#include <utility>

#include "engine/base/status_for_testing.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<std::unique_ptr<int>> MakeInt(int value) {
  if (value < 0) return absl::OutOfRangeError("negative");
  return std::make_unique<int>(value);
}

absl::Status Check(int value, int* evaluations) {
  ++*evaluations;
  return value < 0 ? absl::OutOfRangeError("negative") : absl::OkStatus();
}

absl::StatusOr<int> Sum(int a, int b, int* evaluations) {
  if (a == b)
    ESPALIER_RETURN_IF_ERROR(Check(a, evaluations));
  else
    ESPALIER_RETURN_IF_ERROR(Check(b, evaluations));
  ESPALIER_ASSIGN_OR_RETURN(const std::unique_ptr<int> first, MakeInt(a));
  std::unique_ptr<int> second;
  ESPALIER_ASSIGN_OR_RETURN(second, MakeInt(b));
  return *first + *second;
}

TEST(StatusMacrosTest, PassErrorsOn) {
  int evaluations = 0;
  EXPECT_THAT(Sum(1, 2, &evaluations), IsOkAndHolds(3));
  EXPECT_EQ(evaluations, 1);
  EXPECT_THAT(Sum(1, -2, &evaluations), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(Sum(-1, 2, &evaluations),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("negative")));
  EXPECT_EQ(evaluations, 3);
}

TEST(StatusForTestingTest, MatchersTellApart) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::InternalError("x"), Not(IsOk()));
  EXPECT_THAT(absl::InternalError("x"), Not(StatusIs(absl::StatusCode::kDataLoss)));
  EXPECT_THAT(absl::InternalError("x"), Not(StatusIs(absl::StatusCode::kInternal, "y")));
  EXPECT_THAT(absl::StatusOr<int>(1), Not(IsOkAndHolds(2)));
  EXPECT_THAT(absl::StatusOr<int>(absl::InternalError("x")), Not(IsOkAndHolds(2)));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const int value, absl::StatusOr<int>(1));
  EXPECT_EQ(value, 1);
}

}  // namespace
}  // namespace espalier
