#include "engine/txn/found_pages.h"

#include "engine/base/endian.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/page/checksum.h"
#include "engine/page/format.h"
#include "engine/page/page_source.h"
#include "engine/page/validate.h"

namespace espalier::txn {

absl::StatusOr<std::span<const uint8_t>> FoundPages::Read(uint64_t offset, uint64_t length) {
  buffer_.resize(length);
  ESPALIER_ASSIGN_OR_RETURN(const size_t read, reader_.ReadAt(offset, buffer_));
  return std::span<const uint8_t>(buffer_).first(read < length ? 0 : length);
}

absl::StatusOr<bool> FoundPages::HasRun(const page::LargeRef& ref) {
  if (IsMutant(Mutant::kReplayUnsoundRun)) return true;
  const uint64_t begin = ref.first_page.value * page_bytes_;
  const uint64_t chunks = ref.ChunkCount();
  std::vector<uint64_t> expected(chunks, ref.checksum);
  if (chunks > 1) {
    ESPALIER_ASSIGN_OR_RETURN(const auto checksums,
                              Read(begin + ref.ChecksumsOffset(), 8 * chunks));
    if (checksums.empty()) return false;
    if (ref.checksum != 0 && page::ChecksumOfChunks(checksums) != ref.checksum &&
        !IsMutant(Mutant::kTakeOtherRuns)) {
      return false;
    }
    for (uint64_t i = 0; i < chunks; ++i) expected[i] = LoadLE64(checksums.data() + 8 * i);
  }
  for (uint64_t chunk = 0; chunk < chunks; ++chunk) {
    ESPALIER_ASSIGN_OR_RETURN(
        const auto bytes, Read(begin + chunk * page::LargeRef::kChunkBytes, ref.ChunkBytes(chunk)));
    if (bytes.empty() || page::LargeChunkChecksum(ref, bytes, chunk) != expected[chunk]) {
      return false;
    }
  }
  return true;
}

absl::StatusOr<std::optional<uint64_t>> FoundPages::LeafChecksum(PageNumber leaf, Version version) {
  ESPALIER_ASSIGN_OR_RETURN(const auto bytes, Read(leaf.value * page_bytes_, page_bytes_));
  if (bytes.empty()) return std::nullopt;
  const uint8_t* const page = bytes.data();
  const page::Header& header = page::HeaderOf(page);
  const bool sound = header.identity == page::Header::MakeIdentity(leaf, page::Kind::kLeaf, 0) &&
                     header.birth == version.value &&
                     page::ChecksumMatches(page, page_bytes_, leaf) &&
                     page::FindStructuralFault(page, page_bytes_) == nullptr;
  if (!sound && !IsMutant(Mutant::kReplayUnsoundLeaf)) return std::nullopt;
  return header.checksum;
}

}  // namespace espalier::txn
