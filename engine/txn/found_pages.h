// What the records of a log refer to in the database file: whether it is there as it was logged.
#ifndef ESPALIER_ENGINE_TXN_FOUND_PAGES_H_
#define ESPALIER_ENGINE_TXN_FOUND_PAGES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/types.h"
#include "engine/os/file.h"
#include "engine/os/file_reader.h"
#include "engine/page/large_ref.h"

namespace espalier::txn {

// One thread. An error only where the file cannot be read: what lies there may be sound.
class FoundPages {
 public:
  // `file` must outlive it.
  FoundPages(const os::File* file, os::ReadFrom from, uint32_t page_bytes)
      : reader_(file, from), page_bytes_(page_bytes) {}

  // A large value, whose run must be in bounds.
  absl::StatusOr<bool> HasRun(const page::LargeRef& ref);
  // The checksum of the leaf that `version` made there, or nothing.
  absl::StatusOr<std::optional<uint64_t>> LeafChecksum(PageNumber leaf, Version version);

 private:
  // Empty if the file ends before. Until the next call.
  absl::StatusOr<std::span<const uint8_t>> Read(uint64_t offset, uint64_t length);

  os::FileReader reader_;
  const uint32_t page_bytes_;
  std::vector<uint8_t> buffer_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_FOUND_PAGES_H_
