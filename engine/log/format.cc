#include "engine/log/format.h"

#include <bit>
#include <cstring>

#include "engine/base/checksum.h"
#include "engine/base/mutant.h"

namespace espalier::log {
namespace {

constexpr std::array<char, 8> kMagic = {'E', 's', 'p', 'L', 'o', 'g', '0', '1'};

// As in the file.
struct Encoded {
  uint64_t checksum;
  std::array<char, 8> magic;
  Uuid uuid;
  uint64_t ring_bytes;
  uint64_t generation;
  std::array<uint8_t, 16> zeros;
};
static_assert(sizeof(Encoded) == Header::kEncodedBytes);
static_assert(offsetof(Encoded, magic) == 8);
static_assert(offsetof(Encoded, uuid) == 16);
static_assert(offsetof(Encoded, ring_bytes) == 32);
static_assert(offsetof(Encoded, generation) == 40);
static_assert(offsetof(Encoded, zeros) == 48);

uint64_t ChecksumOf(const Encoded& encoded) {
  return Checksum(reinterpret_cast<const uint8_t*>(&encoded) + sizeof(encoded.checksum),
                  sizeof(encoded) - sizeof(encoded.checksum), 0);
}

}  // namespace

std::array<uint8_t, Header::kEncodedBytes> Header::Encode() const {
  Encoded encoded{};
  encoded.magic = kMagic;
  encoded.uuid = uuid;
  encoded.ring_bytes = ring_bytes;
  encoded.generation = generation;
  encoded.checksum = ChecksumOf(encoded);
  return std::bit_cast<std::array<uint8_t, kEncodedBytes>>(encoded);
}

std::optional<Header> Header::Decode(std::span<const uint8_t> bytes) {
  Encoded encoded;
  if (bytes.size() < sizeof(encoded)) return std::nullopt;
  std::memcpy(&encoded, bytes.data(), sizeof(encoded));
  if (encoded.checksum != ChecksumOf(encoded) || encoded.magic != kMagic) return std::nullopt;
  if (encoded.ring_bytes == 0 || encoded.ring_bytes % kBlockBytes != 0 ||
      encoded.ring_bytes > kMaxRingBytes) {
    return std::nullopt;
  }
  return Header{encoded.uuid, encoded.ring_bytes, encoded.generation};
}

uint64_t RecordChecksum(std::span<const uint8_t> record, const LogPlace& place) {
  if (IsMutant(Mutant::kNoChain)) {
    return Checksum(record.data() + kChecksumBytes, record.size() - kChecksumBytes, 0);
  }
  return Checksum(record.data() + kChecksumBytes, record.size() - kChecksumBytes,
                  place.chain_value ^ (place.generation * 0x9e3779b97f4a7c15u));
}

}  // namespace espalier::log
