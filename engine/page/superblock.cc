#include "engine/page/superblock.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/endian.h"
#include "engine/page/checksum.h"
#include "engine/page/format.h"

namespace espalier::page {
namespace {

constexpr char kMagic[] = "Espalier";
constexpr size_t kMagicBytes = sizeof(kMagic) - 1;
static_assert(kMagicBytes == 8);

}  // namespace

std::array<uint8_t, Superblock::kEncodedBytes> Superblock::Encode() const {
  std::array<uint8_t, kEncodedBytes> bytes{};
  std::memcpy(bytes.data() + 8, kMagic, kMagicBytes);
  StoreLE32(bytes.data() + 16, kFormatVersion);
  StoreLE32(bytes.data() + 20, page_bytes);
  std::copy(uuid.begin(), uuid.end(), bytes.begin() + 24);
  StoreLE64(bytes.data(), Checksum(bytes.data() + 8, kEncodedBytes - 8, 0));
  return bytes;
}

absl::StatusOr<Superblock> Superblock::Decode(std::span<const uint8_t> bytes,
                                              std::string_view path) {
  const std::string name(path);
  if (bytes.size() < kEncodedBytes) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": too short for an Espalier database"));
  }
  const bool checksum_matches =
      LoadLE64(bytes.data()) == Checksum(bytes.data() + 8, kEncodedBytes - 8, 0);
  // A damaged superblock is told from another program's file by what is left of the magic.
  size_t magic_bytes_equal = 0;
  for (size_t i = 0; i < kMagicBytes; ++i) {
    magic_bytes_equal += bytes[8 + i] == static_cast<uint8_t>(kMagic[i]) ? 1 : 0;
  }
  if (magic_bytes_equal < kMagicBytes / 2) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": not an Espalier database"));
  }
  if (!checksum_matches || magic_bytes_equal < kMagicBytes) {
    return absl::DataLossError(absl::StrCat(name, ": the superblock is damaged"));
  }
  if (const uint32_t format = LoadLE32(bytes.data() + 16); format != kFormatVersion) {
    return absl::UnimplementedError(absl::StrCat(name, ": file format ", format,
                                                 "; this library knows format ", kFormatVersion));
  }
  Superblock superblock;
  superblock.page_bytes = LoadLE32(bytes.data() + 20);
  std::copy_n(bytes.begin() + 24, superblock.uuid.size(), superblock.uuid.begin());
  if (!IsValidPageSize(superblock.page_bytes)) {
    return absl::DataLossError(absl::StrCat(name, ": the superblock names a page size of ",
                                            superblock.page_bytes, " bytes"));
  }
  return superblock;
}

}  // namespace espalier::page
