// From a value to what a leaf keeps of it, and back: inline, in a run of pages, compressed.
#ifndef ESPALIER_ENGINE_TREE_VALUES_H_
#define ESPALIER_ENGINE_TREE_VALUES_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/page/arena.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "engine/page/page_source.h"
#include "engine/tree/page_writer.h"

namespace espalier::tree {

// Makes payloads of values. The payload that it returns is valid until its next call.
class ValueEncoder {
 public:
  // Compresses values of at least `compress_from` bytes (0: none) where LZ4 saves at least an
  // eighth.
  absl::StatusOr<page::Payload> Encode(PageWriter& pages, size_t key_bytes, std::string_view value,
                                       uint32_t compress_from);

  // A payload for `value_bytes` bytes to be written by the caller: to `*run` if the value is large,
  // otherwise (null) to where the leaf then keeps the payload.
  absl::StatusOr<page::Payload> EncodeReserved(PageWriter& pages, size_t key_bytes,
                                               uint64_t value_bytes, uint8_t** run);

 private:
  page::Payload Large(const page::LargeRef& ref);

  std::vector<char> compressed_;
  std::vector<char> zeros_;
  std::array<uint8_t, page::LargeRef::kEncodedBytes> encoded_ref_;
};

// The size of a payload's value in bytes. kDataLoss for a damaged one.
absl::StatusOr<uint64_t> ValueSize(const page::PageReader& reader, const page::Payload& payload);

// The value of a payload. Decompressed bytes go to `arena`.
absl::StatusOr<std::string_view> DecodeValueSlowly(const page::PageReader& reader,
                                                   const page::Payload& payload,
                                                   page::Arena& arena);
inline absl::StatusOr<std::string_view> DecodeValue(const page::PageReader& reader,
                                                    const page::Payload& payload,
                                                    page::Arena& arena) {
  if (!payload.large && !payload.compressed) return payload.bytes;
  return DecodeValueSlowly(reader, payload, arena);
}

// `length` bytes of the value from `offset` on, less at its end.
absl::StatusOr<std::string_view> DecodePart(const page::PageReader& reader,
                                            const page::Payload& payload, uint64_t offset,
                                            uint64_t length, page::Arena& arena);

}  // namespace espalier::tree

#endif  // ESPALIER_ENGINE_TREE_VALUES_H_
