// The engine's units of account, as types that the compiler keeps apart: a page number is not a
// version, and neither is made from a plain integer by accident.

#ifndef ESPALIER_ENGINE_BASE_TYPES_H_
#define ESPALIER_ENGINE_BASE_TYPES_H_

#include <compare>
#include <cstdint>
#include <utility>

namespace espalier {

// A uint64_t with a meaning. Ordered, hashable (absl::Hash), no arithmetic: say `.value` for that.
template <typename Tag>
struct StrongInt {
  uint64_t value = 0;

  constexpr StrongInt() = default;
  explicit constexpr StrongInt(uint64_t the_value) : value(the_value) {}

  friend constexpr auto operator<=>(StrongInt, StrongInt) = default;

  template <typename H>
  friend H AbslHashValue(H state, StrongInt number) {
    return H::combine(std::move(state), number.value);
  }
};

// A page's place in the data file: its offset divided by the database's page size.
using PageNumber = StrongInt<struct PageNumberTag>;

// Consecutive pages.
struct PageRun {
  uint64_t first = 0;
  uint64_t count = 0;

  friend bool operator==(const PageRun&, const PageRun&) = default;
};

// One committed state of the database; every committed write transaction makes the next one.
using Version = StrongInt<struct VersionTag>;

// A byte's place in the stream of log records, which only grows: where it lies in the file, which
// is used again and again, is the log's own affair.
using LogPosition = StrongInt<struct LogPositionTag>;

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_TYPES_H_
