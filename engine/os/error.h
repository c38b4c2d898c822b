// From errno to absl::Status: one table for the whole engine.
//
//   errno                                        status code
//   ENOENT                                       kNotFound
//   EEXIST                                       kAlreadyExists
//   EACCES EPERM EROFS                           kPermissionDenied
//   ENOSPC EDQUOT EFBIG ENOMEM EMFILE ENFILE     kResourceExhausted
//   EISDIR ENOTDIR EINVAL ENAMETOOLONG ELOOP
//   ENXIO                                        kInvalidArgument
//   EAGAIN (EWOULDBLOCK) EBUSY ETXTBSY           kUnavailable
//   EOPNOTSUPP (ENOTSUP) ENOSYS                  kUnimplemented
//   everything else, EIO first of all            kInternal
//
// kDataLoss never comes from here: it says that content was read and found wrong. A device that
// refuses to read or write (EIO) is kInternal.

#ifndef ESPALIER_ENGINE_OS_ERROR_H_
#define ESPALIER_ENGINE_OS_ERROR_H_

#include <string_view>

#include "absl/status/status.h"

namespace espalier::os {

// The status for a system call that failed with `errno_value` (not 0). The message reads
// "open '/data/my.db': is a directory (errno 21)". `operation` is a verb for people; `path` is the
// file.
absl::Status ErrnoStatus(int errno_value, std::string_view operation, std::string_view path);

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_ERROR_H_
