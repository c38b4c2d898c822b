// GoogleTest matchers for absl::Status and absl::StatusOr, which Debian's Abseil lacks.
//
//   EXPECT_THAT(file.SyncData(), IsOk());
//   EXPECT_THAT(File::Open(path, mode), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
//   EXPECT_THAT(file.Size(), IsOkAndHolds(4096));
//   ESPALIER_ASSERT_OK_AND_ASSIGN(File file, File::Open(path, mode));

#ifndef ESPALIER_ENGINE_BASE_STATUS_FOR_TESTING_H_
#define ESPALIER_ENGINE_BASE_STATUS_FOR_TESTING_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {

namespace status_testing_internal {
inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}
}  // namespace status_testing_internal

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  const absl::Status& status = status_testing_internal::StatusOf(arg);
  *result_listener << status.ToString();
  return status.ok();
}

MATCHER_P(StatusIs, code, std::string("has the code ") + absl::StatusCodeToString(code)) {
  const absl::Status& status = status_testing_internal::StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code;
}

// `message` matches a std::string.
MATCHER_P2(StatusIs, code, message,
           std::string("has the code ") + absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message, negation)) {
  const absl::Status& status = status_testing_internal::StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code && ::testing::Value(std::string(status.message()), message);
}

MATCHER_P(IsOkAndHolds, value, "is OK and holds what was expected") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  return ::testing::ExplainMatchResult(value, *arg, result_listener);
}

}  // namespace espalier

#define ESPALIER_ASSERT_OK_AND_ASSIGN(lhs, expr) \
  ESPALIER_ASSERT_OK_AND_ASSIGN_IMPL(ESPALIER_STATUS_CONCAT(espalier_result_, __LINE__), lhs, expr)
#define ESPALIER_ASSERT_OK_AND_ASSIGN_IMPL(name, lhs, expr) \
  auto name = (expr);                                       \
  ASSERT_TRUE(name.ok()) << name.status();                  \
  lhs = *std::move(name)

#endif  // ESPALIER_ENGINE_BASE_STATUS_FOR_TESTING_H_
