#include "engine/page/page_source.h"
#include "engine/base/endian.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/checksum.h"
#include "engine/base/mutant.h"
#include "engine/page/checksum.h"
#include "engine/page/validate.h"

namespace espalier::page {
VerifiedPages::VerifiedPages(uint64_t pages)
    : pages_(pages),
      words_(static_cast<std::atomic<uint64_t>*>(
          std::calloc(pages / 64 + 1, sizeof(std::atomic<uint64_t>)))) {
  if (words_ == nullptr) throw std::bad_alloc();
}

void VerifiedPages::CopyFrom(const VerifiedPages& other) {
  const uint64_t words = (std::min(pages_, other.pages_) + 63) / 64;
  for (uint64_t i = 0; i < words; ++i) {
    const uint64_t bits = other.words_.get()[i].load(std::memory_order_acquire);
    if (bits != 0) words_.get()[i].fetch_or(bits, std::memory_order_release);
  }
}

PageSource::PageSource(std::unique_ptr<os::Mapping> mapping, uint32_t page_bytes,
                       bool verify_checksums, std::string path)
    : mapping_(std::move(mapping)),
      read_base_(mapping_->read_base()),
      write_base_(mapping_->write_base()),
      page_bytes_(page_bytes),
      page_shift_(static_cast<uint32_t>(std::countr_zero(page_bytes))),
      capacity_pages_((mapping_->capacity_bytes() -
                       std::min<uint64_t>(mapping_->capacity_bytes(), kGuardBytes)) >>
                      page_shift_),
      verify_checksums_(verify_checksums),
      path_(std::move(path)),
      verified_(capacity_pages_),
      verified_chunks_(capacity_pages_) {}

bool PageSource::VerifyPage(PageNumber number) const {
  const uint8_t* const page = read_page(number);
  if (verify_checksums_ && !IsMutant(Mutant::kNoPageChecksum) &&
      !ChecksumMatches(page, page_bytes_, number)) {
    return false;
  }
  if (FindStructuralFault(page, page_bytes_) != nullptr) return false;
  if (faulted()) return false;
  verified_.Set(number.value);
  return true;
}

absl::Status PageSource::FaultStatus() const {
  const auto range = mapping_->FaultedRange();
  return absl::DataLossError(absl::StrCat(
      path_, ": the file gave no data for ", range.length, " mapped bytes at offset ", range.offset,
      " (truncated by another program, or a failing disk); reopen the database"));
}

absl::Status PageSource::DataLoss(std::string_view what) const {
  if (faulted()) return FaultStatus();
  return absl::DataLossError(
      absl::StrCat(path_, ": ", absl::string_view(what.data(), what.size())));
}

absl::Status PageReader::Explain(ChildRef ref, Kind kind, uint32_t level) const {
  const PageNumber number = ref.number();
  const auto damaged = [&](auto... what) {
    return source_->DataLoss(absl::StrCat("page ", number.value, ": ", what...));
  };
  if (source_->faulted()) return source_->FaultStatus();
  if (number.value >= page_limit_) {
    return damaged("referred to, but the version has ", page_limit_, " pages");
  }
  const uint8_t* const page = source_->read_page(number);
  const Header& header = HeaderOf(page);
  if (header.number() != number) {
    return damaged("the page says it is page ", header.number().value);
  }
  if (header.kind() != kind || header.level() != level) {
    return damaged("of kind ", static_cast<int>(header.kind()), " and level ", header.level(),
                   " where its parent expects kind ", static_cast<int>(kind), " and level ", level);
  }
  if (header.birth > version_.value) {
    return damaged("written by version ", header.birth, ", after version ", version_.value,
                   " that refers to it");
  }
  if (static_cast<uint16_t>(header.birth) != ref.tag()) {
    return damaged("its birth ", header.birth, " is not the one that its parent refers to");
  }
  if (!ChecksumMatches(page, source_->page_bytes(), number)) return damaged("checksum mismatch");
  if (const char* fault = FindStructuralFault(page, source_->page_bytes())) return damaged(fault);
  return damaged("not readable");
}

absl::Status PageReader::CheckBounds(const LargeRef& ref) const {
  if (ref.stored_bytes == 0 || ref.stored_bytes > LargeRef::kMaxBytes ||
      ref.value_bytes > LargeRef::kMaxBytes ||
      (!ref.compressed && ref.stored_bytes != ref.value_bytes) ||
      ref.first_page.value < FirstDataPage(source_->page_bytes()) ||
      ref.first_page.value >= page_limit_ ||
      ref.RunPages(source_->page_bytes()) > page_limit_ - ref.first_page.value ||
      ref.birth > version_) {
    return source_->DataLoss(absl::StrCat("the reference to a large value at page ",
                                          ref.first_page.value, " of ", ref.stored_bytes,
                                          " bytes, birth ", ref.birth.value, ", is out of bounds"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> PageReader::ReadLarge(const LargeRef& ref, uint64_t offset,
                                                       uint64_t length) const {
  if (absl::Status status = CheckBounds(ref); !status.ok()) return status;
  const uint8_t* const run = source_->read_page(ref.first_page);
  if (length == 0) return std::string_view();
  if (offset + length > ref.stored_bytes) {
    return absl::InternalError("a part beyond the end of a large value was asked for");
  }
  const uint64_t pages_per_chunk =
      std::max<uint64_t>(1, LargeRef::kChunkBytes >> source_->page_shift());
  bool announced = false;
  for (uint64_t chunk = offset / LargeRef::kChunkBytes;
       chunk <= (offset + length - 1) / LargeRef::kChunkBytes; ++chunk) {
    const uint64_t page = ref.first_page.value + chunk * pages_per_chunk;
    if (source_->verified_chunks().Test(page)) continue;
    if (!announced) {
      // The mapping is advised MADV_RANDOM; a run is read in order.
      source_->mapping().Prefetch((ref.first_page.value << source_->page_shift()) + offset, length);
      announced = true;
    }
    if (source_->verify_checksums() && !IsMutant(Mutant::kNoValueChecksum) &&
        !LargeChunkMatches(ref, run, chunk)) {
      return source_->DataLoss(
          absl::StrCat("page ", page, ": checksum mismatch in chunk ", chunk, " of a large value"));
    }
    if (source_->faulted()) return source_->FaultStatus();
    source_->verified_chunks().Set(page);
  }
  return std::string_view(reinterpret_cast<const char*>(run) + offset, length);
}

uint64_t LargeChunkChecksum(const LargeRef& ref, std::span<const uint8_t> bytes, uint64_t chunk) {
  return Checksum(bytes.data(), bytes.size(), ref.ChunkSeed(chunk));
}

uint64_t ChecksumOfChunks(std::span<const uint8_t> checksums) {
  return Checksum(checksums.data(), checksums.size(), 0);
}

bool LargeChunkMatches(const LargeRef& ref, const uint8_t* run, uint64_t chunk) {
  const uint64_t expected =
      ref.ChunkCount() == 1 ? ref.checksum : LoadLE64(run + ref.ChecksumsOffset() + 8 * chunk);
  return LargeChunkChecksum(ref, ref.ChunkOf(run, chunk), chunk) == expected;
}

void SealLarge(LargeRef& ref, uint8_t* run) {
  const uint64_t chunks = ref.ChunkCount();
  if (chunks == 1) {
    ref.checksum = LargeChunkChecksum(ref, ref.ChunkOf(run, 0), 0);
    return;
  }
  uint8_t* const checksums = run + ref.ChecksumsOffset();
  for (uint64_t chunk = 0; chunk < chunks; ++chunk) {
    StoreLE64(checksums + 8 * chunk, LargeChunkChecksum(ref, ref.ChunkOf(run, chunk), chunk));
  }
  ref.checksum = ChecksumOfChunks({checksums, 8 * chunks});
}

}  // namespace espalier::page
