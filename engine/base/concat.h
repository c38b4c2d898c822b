// One string out of many parts, for error messages. absl::StrCat would do it, but Debian's Abseil
// is built with a string_view of its own and does not take a std::string_view.

#ifndef ESPALIER_ENGINE_BASE_CONCAT_H_
#define ESPALIER_ENGINE_BASE_CONCAT_H_

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace espalier {

namespace concat_internal {
template <typename Part>
const Part& ToAbsl(const Part& part) {
  return part;
}
inline absl::string_view ToAbsl(const std::string_view& part) {
  return absl::string_view(part.data(), part.size());
}
}  // namespace concat_internal

// The parts one after another: strings as they are, numbers in decimal.
template <typename... Parts>
std::string Concat(const Parts&... parts) {
  return absl::StrCat(concat_internal::ToAbsl(parts)...);
}

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_CONCAT_H_
