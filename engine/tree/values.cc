#include "engine/tree/values.h"

#include <lz4.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/base/endian.h"
#include "engine/base/status_macros.h"
#include "engine/tree/tree_writer.h"

namespace espalier::tree {
namespace {

using page::LargeRef;
using page::Payload;

// A compressed inline payload begins with the size of its value.
constexpr size_t kSizeBytes = 4;

absl::StatusOr<std::string_view> Decompress(const page::PageReader& reader, std::string_view block,
                                            uint64_t value_bytes, page::Arena& arena) {
  // LZ4 makes a block at most 255 times as long; more is no size of ours.
  if (value_bytes > block.size() * 255 + 64 || value_bytes > LZ4_MAX_INPUT_SIZE) {
    return reader.source().DataLoss(
        absl::StrCat("a compressed value of ", block.size(), " bytes claims to be ", value_bytes));
  }
  char* const out = arena.Allocate(std::max<uint64_t>(value_bytes, 1));
  const int written = LZ4_decompress_safe(block.data(), out, static_cast<int>(block.size()),
                                          static_cast<int>(value_bytes));
  if (written < 0 || static_cast<uint64_t>(written) != value_bytes) {
    return reader.source().DataLoss("a compressed value does not decompress");
  }
  return std::string_view(out, value_bytes);
}

LargeRef RefOf(const Payload& payload) {
  return LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data()));
}

uint32_t CompressedSize(const Payload& payload) {
  return LoadLE32(reinterpret_cast<const uint8_t*>(payload.bytes.data()));
}

}  // namespace

Payload ValueEncoder::Large(const LargeRef& ref) {
  ref.Encode(encoded_ref_.data());
  return {{reinterpret_cast<const char*>(encoded_ref_.data()), encoded_ref_.size()}, false, true};
}

absl::StatusOr<Payload> ValueEncoder::Encode(PageWriter& pages, size_t key_bytes,
                                             std::string_view value, uint32_t compress_from) {
  if (value.size() > LargeRef::kMaxBytes) {
    return absl::InvalidArgumentError("a value may have 2^47 bytes at the most");
  }
  std::string_view stored = value;
  bool compressed = false;
  if (compress_from > 0 && value.size() >= compress_from && value.size() <= LZ4_MAX_INPUT_SIZE) {
    compressed_.resize(kSizeBytes +
                       static_cast<size_t>(LZ4_compressBound(static_cast<int>(value.size()))));
    const int block_bytes = LZ4_compress_default(value.data(), compressed_.data() + kSizeBytes,
                                                 static_cast<int>(value.size()),
                                                 static_cast<int>(compressed_.size() - kSizeBytes));
    if (block_bytes > 0 &&
        kSizeBytes + static_cast<size_t>(block_bytes) <= value.size() - value.size() / 8) {
      compressed = true;
      stored = {compressed_.data() + kSizeBytes, static_cast<size_t>(block_bytes)};
    }
  }
  const size_t inline_bytes = stored.size() + (compressed ? kSizeBytes : 0);
  if (page::FitsInline(key_bytes, inline_bytes, pages.page_bytes())) {
    if (!compressed) return Payload{stored, false, false};
    StoreLE32(reinterpret_cast<uint8_t*>(compressed_.data()), static_cast<uint32_t>(value.size()));
    return Payload{{compressed_.data(), inline_bytes}, true, false};
  }
  LargeRef ref;
  ref.compressed = compressed;
  ref.value_bytes = value.size();
  ref.stored_bytes = stored.size();
  ESPALIER_ASSIGN_OR_RETURN(uint8_t* const run, pages.NewRun(ref));
  std::memcpy(run, stored.data(), stored.size());
  page::SealLarge(ref, run);
  return Large(ref);
}

absl::StatusOr<Payload> ValueEncoder::EncodeReserved(PageWriter& pages, size_t key_bytes,
                                                     uint64_t value_bytes, uint8_t** run) {
  *run = nullptr;
  if (value_bytes > LargeRef::kMaxBytes) {
    return absl::InvalidArgumentError("a value may have 2^47 bytes at the most");
  }
  if (page::FitsInline(key_bytes, value_bytes, pages.page_bytes())) {
    zeros_.resize(value_bytes);
    return Payload{{zeros_.data(), value_bytes}, false, false};
  }
  LargeRef ref;
  ref.value_bytes = value_bytes;
  ref.stored_bytes = value_bytes;
  ESPALIER_ASSIGN_OR_RETURN(*run, pages.NewRun(ref));
  return Large(ref);
}

absl::StatusOr<uint64_t> ValueSize(const page::PageReader& reader, const Payload& payload) {
  if (payload.large) {
    const LargeRef ref = RefOf(payload);
    ESPALIER_RETURN_IF_ERROR(reader.CheckBounds(ref));
    return ref.value_bytes;
  }
  return payload.compressed ? CompressedSize(payload) : payload.bytes.size();
}

absl::StatusOr<std::string_view> DecodeValueSlowly(const page::PageReader& reader,
                                                   const Payload& payload, page::Arena& arena) {
  if (payload.large) {
    const LargeRef ref = RefOf(payload);
    ESPALIER_ASSIGN_OR_RETURN(const std::string_view stored,
                              reader.ReadLarge(ref, 0, ref.stored_bytes));
    return ref.compressed ? Decompress(reader, stored, ref.value_bytes, arena) : stored;
  }
  if (!payload.compressed) return payload.bytes;
  // The page was sound when it was verified, but a fault may have changed it.
  if (payload.bytes.size() < kSizeBytes) {
    return reader.source().DataLoss("a compressed value is too short");
  }
  return Decompress(reader, payload.bytes.substr(kSizeBytes), CompressedSize(payload), arena);
}

absl::StatusOr<std::string_view> DecodePart(const page::PageReader& reader, const Payload& payload,
                                            uint64_t offset, uint64_t length, page::Arena& arena) {
  if (payload.large) {
    const LargeRef ref = RefOf(payload);
    if (!ref.compressed) {
      ESPALIER_RETURN_IF_ERROR(reader.CheckBounds(ref));
      const uint64_t begin = std::min(offset, ref.stored_bytes);
      return reader.ReadLarge(ref, begin, std::min(length, ref.stored_bytes - begin));
    }
  }
  ESPALIER_ASSIGN_OR_RETURN(const std::string_view value, DecodeValue(reader, payload, arena));
  const uint64_t begin = std::min<uint64_t>(offset, value.size());
  return value.substr(begin, std::min<uint64_t>(length, value.size() - begin));
}

}  // namespace espalier::tree
