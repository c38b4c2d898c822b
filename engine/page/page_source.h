// The one way from a page number to the bytes of a page. Whatever comes out of it is in bounds, is
// the page that its parent meant, and was verified, so that the views of leaf.h and inner.h can be
// used on it.
#ifndef ESPALIER_ENGINE_PAGE_PAGE_SOURCE_H_
#define ESPALIER_ENGINE_PAGE_PAGE_SOURCE_H_

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/mutant.h"
#include "engine/base/prefetch.h"
#include "engine/base/types.h"
#include "engine/os/mapping.h"
#include "engine/page/format.h"
#include "engine/page/large_ref.h"
#include "engine/page/wait_hint.h"

namespace espalier::page {

// One bit a page, set once the page is known to be good; lock-free.
class VerifiedPages {
 public:
  // All clear. The memory is touched only where bits are set.
  explicit VerifiedPages(uint64_t pages);

  bool Test(uint64_t page) const {
    return (words_.get()[page / 64].load(std::memory_order_acquire) >> (page % 64) & 1) != 0;
  }
  void Set(uint64_t page) {
    words_.get()[page / 64].fetch_or(uint64_t{1} << (page % 64), std::memory_order_release);
  }
  // Sets the bit without an atomic read-modify-write where it is set already.
  void EnsureSet(uint64_t page) {
    if (!Test(page)) Set(page);
  }
  void CopyFrom(const VerifiedPages& other);
  uint64_t size() const { return pages_; }

 private:
  struct Free {
    void operator()(std::atomic<uint64_t>* words) const { std::free(words); }
  };
  uint64_t pages_;
  std::unique_ptr<std::atomic<uint64_t>, Free> words_;
};

// A mapping seen as pages, with what is known of them. Thread-safe. Shared by all versions that
// were published under this mapping.
class PageSource {
 public:
  // Addresses that a mapping needs behind its last page. A node can change after it was verified,
  // by a fault that turns it to zeros or, in a damaged file, by a writer that uses the page for
  // something else; its arrays and records then reach at most so far, whatever its header says.
  static constexpr uint64_t kGuardBytes = uint64_t{2} << 20;

  PageSource(std::unique_ptr<os::Mapping> mapping, uint32_t page_bytes, bool verify_checksums,
             std::string path);

  uint32_t page_bytes() const { return page_bytes_; }
  uint32_t page_shift() const { return page_shift_; }
  // Pages that fit into the mapping's address range.
  uint64_t capacity_pages() const { return capacity_pages_; }
  const std::string& path() const { return path_; }
  os::Mapping& mapping() const { return *mapping_; }
  bool faulted() const { return mapping_->faulted(); }

  const uint8_t* read_page(PageNumber number) const {
    return read_base_ + (number.value << page_shift_);
  }
  uint8_t* write_page(PageNumber number) const {
    return write_base_ + (number.value << page_shift_);
  }
  // Nodes and the space map's pages that are known to be good.
  VerifiedPages& verified() const { return verified_; }
  // Chunks of large values, by their first pages. Apart from the above: in a damaged file the same
  // page may be referred to as both, and to be a part of a sound value does not make it a sound
  // node.
  VerifiedPages& verified_chunks() const { return verified_chunks_; }
  bool verify_checksums() const { return verify_checksums_; }
  // Of batches of lookups under this mapping.
  WaitHint& wait_hint() const { return wait_hint_; }

  // Whether [bytes, bytes + size) touches the mapping.
  bool Contains(const void* bytes, size_t size) const {
    return Overlaps(read_base_, bytes, size) ||
           (write_base_ != read_base_ && Overlaps(write_base_, bytes, size));
  }

  // Verifies a page at its first touch, and remembers it if it is good. Its header matched already.
  bool VerifyPage(PageNumber number) const;

  // kDataLoss in words: the damaged page, or that the file was truncated under the mapping.
  absl::Status DataLoss(std::string_view what) const;
  absl::Status FaultStatus() const;

 private:
  // `base` is null where there is no such view.
  bool Overlaps(const uint8_t* base, const void* bytes, size_t size) const {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(bytes);
    const uintptr_t base_address = reinterpret_cast<uintptr_t>(base);
    return base != nullptr && begin < base_address + (capacity_pages_ << page_shift_) &&
           begin + size > base_address;
  }

  std::unique_ptr<os::Mapping> mapping_;
  const uint8_t* read_base_;
  uint8_t* write_base_;
  uint32_t page_bytes_;
  uint32_t page_shift_;
  uint64_t capacity_pages_;
  bool verify_checksums_;
  std::string path_;
  mutable VerifiedPages verified_;
  mutable VerifiedPages verified_chunks_;
  mutable WaitHint wait_hint_;
};

// Reads pages as of one version. Cheap to copy; the source must outlive it.
class PageReader {
 public:
  PageReader() = default;
  // Pages from `page_limit` on are outside of the version's file.
  PageReader(const PageSource* source, Version version, uint64_t page_limit)
      : source_(source), version_(version), page_limit_(page_limit) {}

  const PageSource& source() const { return *source_; }
  Version version() const { return version_; }
  uint64_t page_limit() const { return page_limit_; }

  // The page that `ref` refers to, which must be a node of that level; null if it is not there, for
  // which Explain() then gives the reason.
  const uint8_t* Fetch(ChildRef ref, uint32_t level) const {
    return FetchKind(ref, level == 0 ? Kind::kLeaf : Kind::kInner, level);
  }
  const uint8_t* FetchKind(ChildRef ref, Kind kind, uint32_t level) const {
    const PageNumber number = ref.number();
    if (number.value >= page_limit_) [[unlikely]]
      return nullptr;
    const uint8_t* const page = source_->read_page(number);
    const Header& header = HeaderOf(page);
    const uint64_t birth = header.birth;
    if (header.identity != Header::MakeIdentity(number, kind, level) || birth > version_.value ||
        (static_cast<uint16_t>(birth) != ref.tag() && !IsMutant(Mutant::kNoTagCheck)))
        [[unlikely]] {
      return nullptr;
    }
    if (!source_->verified().Test(number.value)) [[unlikely]] {
      if (!source_->VerifyPage(number)) return nullptr;
    }
    return page;
  }
  // Has the processor load the first lines of a node that will be fetched soon: the header and, at
  // 4 KiB, most of what the search among its heads touches. Never waits for the device.
  void PrefetchNode(ChildRef ref, uint32_t level) const {
    PrefetchFirstLines(ref, level == 0 ? 4 : 8);
  }
  // Likewise all of a node of 4 KiB, of a larger one as much: it is going to be copied.
  void PrefetchWholeNode(ChildRef ref) const {
    PrefetchFirstLines(ref, kMinPageBytes / kCacheLineBytes);
  }

  // Has the kernel read the page in, without waiting. A system call.
  void AnnounceNode(ChildRef ref) const {
    const PageNumber number = ref.number();
    if (number.value < page_limit_) {
      source_->mapping().Prefetch(number.value << source_->page_shift(), source_->page_bytes());
    }
  }

  absl::Status Explain(ChildRef ref, Kind kind, uint32_t level) const;
  absl::Status Explain(ChildRef ref, uint32_t level) const {
    return Explain(ref, level == 0 ? Kind::kLeaf : Kind::kInner, level);
  }

  // `length` of the stored bytes of a large value from `offset` on, the chunks that they touch
  // verified. The range must lie within the stored bytes.
  absl::StatusOr<std::string_view> ReadLarge(const LargeRef& ref, uint64_t offset,
                                             uint64_t length) const;

  // Whether the run lies within the file and its sizes make sense.
  absl::Status CheckBounds(const LargeRef& ref) const;

 private:
  void PrefetchFirstLines(ChildRef ref, size_t lines) const {
    const PageNumber number = ref.number();
    if (number.value < page_limit_) PrefetchLines(source_->read_page(number), lines);
  }

  const PageSource* source_ = nullptr;
  Version version_{0};
  uint64_t page_limit_ = 0;
};

// The checksum of one chunk of a large value's stored bytes.
uint64_t LargeChunkChecksum(const LargeRef& ref, std::span<const uint8_t> bytes, uint64_t chunk);
// Of a run of more than one chunk, the checksum of their checksums.
uint64_t ChecksumOfChunks(std::span<const uint8_t> checksums);

// Whether a chunk of the run that lies at `run` has its checksum.
bool LargeChunkMatches(const LargeRef& ref, const uint8_t* run, uint64_t chunk);

// Computes the checksums of the stored bytes at `run` and writes them: one chunk's into
// ref.checksum, several behind the bytes, and the checksum of those into ref.checksum.
void SealLarge(LargeRef& ref, uint8_t* run);

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_PAGE_SOURCE_H_
