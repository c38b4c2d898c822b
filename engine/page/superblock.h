// The superblock, at offset 0, says what the file is. It is written once, when the file is created.
//
//   offset  bytes  field
//        0      8  checksum: XXH3-64 of the other 120 bytes
//        8      8  magic "Espalier"
//       16      4  format version
//       20      4  page size in bytes
//       24     16  UUID of the database
//       40     88  zeros
//
// The places of checksum and magic hold for every format version to come.
#ifndef ESPALIER_ENGINE_PAGE_SUPERBLOCK_H_
#define ESPALIER_ENGINE_PAGE_SUPERBLOCK_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/base/uuid.h"

namespace espalier::page {

struct Superblock {
  static constexpr uint32_t kEncodedBytes = 128;

  uint32_t page_bytes = 0;
  Uuid uuid{};

  std::array<uint8_t, kEncodedBytes> Encode() const;

  // kInvalidArgument: not an Espalier file. kUnimplemented: a format version unknown here.
  // kDataLoss: damaged. `path` is for the message.
  static absl::StatusOr<Superblock> Decode(std::span<const uint8_t> bytes, std::string_view path);
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_SUPERBLOCK_H_
