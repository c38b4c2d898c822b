#include "engine/os/error.h"

#include <cerrno>

#include "engine/base/status_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::os {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(ErrorTest, NamesOperationPathAndCause) {
  const absl::Status status = ErrnoStatus(ENOENT, "open", "/no/such.db");
  EXPECT_EQ(status, absl::NotFoundError("open '/no/such.db': No such file or directory (errno 2)"));
}

TEST(ErrorTest, FollowsTheTable) {
  const struct {
    int errno_value;
    absl::StatusCode code;
  } rows[] = {
      {ENOENT, absl::StatusCode::kNotFound},
      {EEXIST, absl::StatusCode::kAlreadyExists},
      {EACCES, absl::StatusCode::kPermissionDenied},
      {EPERM, absl::StatusCode::kPermissionDenied},
      {EROFS, absl::StatusCode::kPermissionDenied},
      {ENOSPC, absl::StatusCode::kResourceExhausted},
      {EDQUOT, absl::StatusCode::kResourceExhausted},
      {EFBIG, absl::StatusCode::kResourceExhausted},
      {ENOMEM, absl::StatusCode::kResourceExhausted},
      {EMFILE, absl::StatusCode::kResourceExhausted},
      {ENOTDIR, absl::StatusCode::kInvalidArgument},
      {EINVAL, absl::StatusCode::kInvalidArgument},
      {ENAMETOOLONG, absl::StatusCode::kInvalidArgument},
      {ELOOP, absl::StatusCode::kInvalidArgument},
      {EWOULDBLOCK, absl::StatusCode::kUnavailable},
      {EBUSY, absl::StatusCode::kUnavailable},
      {ENOTSUP, absl::StatusCode::kUnimplemented},
      {EIO, absl::StatusCode::kInternal},
      {EBADF, absl::StatusCode::kInternal},
  };
  for (const auto& row : rows) {
    EXPECT_THAT(ErrnoStatus(row.errno_value, "op", "path"), StatusIs(row.code)) << row.errno_value;
  }
}

TEST(ErrorTest, SaysIsADirectory) {
  EXPECT_THAT(ErrnoStatus(EISDIR, "open", "/tmp"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is a directory")));
}

TEST(ErrorTest, SurvivesUnknownErrors) {
  EXPECT_THAT(
      ErrnoStatus(9999, "open", "x"),
      StatusIs(absl::StatusCode::kInternal, AllOf(HasSubstr("unknown error"), HasSubstr("9999"))));
}

}  // namespace
}  // namespace espalier::os
