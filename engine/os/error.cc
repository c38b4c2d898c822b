#include "engine/os/error.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "engine/base/concat.h"

namespace espalier::os {
namespace {

absl::StatusCode CodeOf(int errno_value) {
  switch (errno_value) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    case EISDIR:
    case ENOTDIR:
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case ENXIO:
      return absl::StatusCode::kInvalidArgument;
    case EAGAIN:
    case EBUSY:
    case ETXTBSY:
      return absl::StatusCode::kUnavailable;
    case EOPNOTSUPP:
    case ENOSYS:
      return absl::StatusCode::kUnimplemented;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string_view DescriptionOf(int errno_value) {
  if (errno_value == EISDIR) return "is a directory";
  const char* const description = strerrordesc_np(errno_value);
  return description != nullptr ? description : "unknown error";
}

}  // namespace

absl::Status ErrnoStatus(int errno_value, std::string_view operation, std::string_view path) {
  return absl::Status(CodeOf(errno_value),
                      Concat(operation, " '", path, "': ", DescriptionOf(errno_value), " (errno ",
                             errno_value, ")"));
}

}  // namespace espalier::os
