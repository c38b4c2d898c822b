// For work that must not end by an exception: a flush that failed, and was not noted down as failed
// because there was no memory for the words of its error, would be believed.
#ifndef ESPALIER_ENGINE_BASE_CATCH_BAD_ALLOC_H_
#define ESPALIER_ENGINE_BASE_CATCH_BAD_ALLOC_H_

#include <new>

#include "absl/status/status.h"

namespace espalier {

// The status that work() returns; kInternal, without a message, if memory ran out.
template <typename Function>
absl::Status CatchBadAlloc(Function&& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return absl::Status(absl::StatusCode::kInternal, "");
  }
}

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_CATCH_BAD_ALLOC_H_
