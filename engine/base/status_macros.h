// Passing absl::Status errors up the stack without a line of ceremony per call.
//
//   absl::StatusOr<uint64_t> PageCount(const os::File& file) {
//     ESPALIER_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.Size());
//     ESPALIER_RETURN_IF_ERROR(CheckSize(size_bytes));
//     return size_bytes / 4096;
//   }

#ifndef ESPALIER_ENGINE_BASE_STATUS_MACROS_H_
#define ESPALIER_ENGINE_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define ESPALIER_STATUS_CONCAT_INNER(a, b) a##b
#define ESPALIER_STATUS_CONCAT(a, b) ESPALIER_STATUS_CONCAT_INNER(a, b)

// Evaluates `expr` (an absl::Status) once; returns it from the enclosing function unless it is OK.
#define ESPALIER_RETURN_IF_ERROR(expr) \
  ESPALIER_RETURN_IF_ERROR_IMPL(ESPALIER_STATUS_CONCAT(espalier_status_, __LINE__), expr)
#define ESPALIER_RETURN_IF_ERROR_IMPL(name, expr)   \
  do {                                              \
    if (::absl::Status name = (expr); !name.ok()) { \
      return name;                                  \
    }                                               \
  } while (false)

// Evaluates `expr` (an absl::StatusOr) once; returns its status from the enclosing function if it
// holds none of a value, otherwise moves the value into `lhs`, which may declare a variable. Makes
// two statements: not for the body of an unbraced `if`.
#define ESPALIER_ASSIGN_OR_RETURN(lhs, expr) \
  ESPALIER_ASSIGN_OR_RETURN_IMPL(ESPALIER_STATUS_CONCAT(espalier_result_, __LINE__), lhs, expr)
#define ESPALIER_ASSIGN_OR_RETURN_IMPL(name, lhs, expr) \
  auto name = (expr);                                   \
  if (!name.ok()) {                                     \
    return std::move(name).status();                    \
  }                                                     \
  lhs = *std::move(name)

#endif  // ESPALIER_ENGINE_BASE_STATUS_MACROS_H_
