#include "engine/page/superblock.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/checksum.h"
#include "engine/page/format.h"

namespace espalier::page {
namespace {

constexpr std::array<char, 8> kMagic = {'E', 's', 'p', 'a', 'l', 'i', 'e', 'r'};

// As in the file.
struct Encoded {
  uint64_t checksum;
  std::array<char, 8> magic;
  uint32_t format;
  uint32_t page_bytes;
  Uuid uuid;
  std::array<uint8_t, 88> zeros;
};
static_assert(sizeof(Encoded) == Superblock::kEncodedBytes);
static_assert(offsetof(Encoded, checksum) == 0);
static_assert(offsetof(Encoded, magic) == 8);
static_assert(offsetof(Encoded, format) == 16);
static_assert(offsetof(Encoded, page_bytes) == 20);
static_assert(offsetof(Encoded, uuid) == 24);
static_assert(offsetof(Encoded, zeros) == 40);

uint64_t ChecksumOf(const Encoded& encoded) {
  return Checksum(reinterpret_cast<const uint8_t*>(&encoded) + sizeof(encoded.checksum),
                  sizeof(encoded) - sizeof(encoded.checksum), 0);
}

}  // namespace

std::array<uint8_t, Superblock::kEncodedBytes> Superblock::Encode() const {
  Encoded encoded{};
  encoded.magic = kMagic;
  encoded.format = kFormatVersion;
  encoded.page_bytes = page_bytes;
  encoded.uuid = uuid;
  encoded.checksum = ChecksumOf(encoded);
  return std::bit_cast<std::array<uint8_t, kEncodedBytes>>(encoded);
}

absl::StatusOr<Superblock> Superblock::Decode(std::span<const uint8_t> bytes,
                                              std::string_view path) {
  const std::string name(path);
  Encoded encoded;
  if (bytes.size() < sizeof(encoded)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": too short for an Espalier database"));
  }
  std::memcpy(&encoded, bytes.data(), sizeof(encoded));
  // A damaged superblock is told from another program's file by what is left of the magic.
  size_t magic_bytes_equal = 0;
  for (size_t i = 0; i < kMagic.size(); ++i) {
    magic_bytes_equal += encoded.magic[i] == kMagic[i] ? 1 : 0;
  }
  if (magic_bytes_equal < kMagic.size() / 2) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": not an Espalier database"));
  }
  if (encoded.checksum != ChecksumOf(encoded) || magic_bytes_equal < kMagic.size()) {
    return absl::DataLossError(absl::StrCat(name, ": the superblock is damaged"));
  }
  if (encoded.format != kFormatVersion) {
    return absl::UnimplementedError(absl::StrCat(name, ": file format ", encoded.format,
                                                 "; this library knows format ", kFormatVersion));
  }
  if (!IsValidPageSize(encoded.page_bytes)) {
    return absl::DataLossError(
        absl::StrCat(name, ": the superblock names a page size of ", encoded.page_bytes, " bytes"));
  }
  return Superblock{encoded.page_bytes, encoded.uuid};
}

}  // namespace espalier::page
