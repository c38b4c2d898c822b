// The usual two macros, which Debian's Abseil does not have.
#ifndef ESPALIER_BENCH_RUN_STATUS_MACROS_H_
#define ESPALIER_BENCH_RUN_STATUS_MACROS_H_

#include <utility>

#define RETURN_IF_ERROR(expression)                                   \
  do {                                                                \
    if (auto status_or_error = (expression); !status_or_error.ok()) { \
      return status_or_error;                                         \
    }                                                                 \
  } while (false)

#define ESPALIER_BENCH_CONCAT_INNER(a, b) a##b
#define ESPALIER_BENCH_CONCAT(a, b) ESPALIER_BENCH_CONCAT_INNER(a, b)
#define ASSIGN_OR_RETURN(target, expression)                                                \
  ESPALIER_BENCH_ASSIGN_OR_RETURN(ESPALIER_BENCH_CONCAT(value_or_error_, __LINE__), target, \
                                  expression)
#define ESPALIER_BENCH_ASSIGN_OR_RETURN(name, target, expression) \
  auto name = (expression);                                       \
  if (!name.ok()) return name.status();                           \
  target = *std::move(name)

#endif  // ESPALIER_BENCH_RUN_STATUS_MACROS_H_
