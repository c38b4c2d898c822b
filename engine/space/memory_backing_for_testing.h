// A file in memory below an allocator, for tests of what stands on pages: no engine, no superblock.
//
//   MemoryBacking file;
//   PageAllocator allocator(FirstDataPage(4096), 4096, &file);
//   allocator.Load(Bitmap(0), 0);
#ifndef ESPALIER_ENGINE_SPACE_MEMORY_BACKING_FOR_TESTING_H_
#define ESPALIER_ENGINE_SPACE_MEMORY_BACKING_FOR_TESTING_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "engine/base/status_macros.h"
#include "engine/os/file.h"
#include "engine/os/mapping.h"
#include "engine/page/page_source.h"
#include "engine/space/page_allocator.h"

namespace espalier::space {

class MemoryBacking : public BackingFile {
 public:
  explicit MemoryBacking(uint32_t page_bytes = 4096, bool verify_checksums = true)
      : page_bytes_(page_bytes),
        file_(os::File::CreateInMemory("test").value()),
        source_(std::make_unique<page::PageSource>(
            os::Mapping::Map(file_, kReserveBytes, os::Access::kReadWrite, false).value(),
            page_bytes, verify_checksums, "memory")) {}

  // Growth past this fails with kResourceExhausted, as on a full disk.
  void set_max_pages(uint64_t pages) { max_pages_ = pages; }

  absl::Status Grow(uint64_t page_count) override {
    if (page_count > max_pages_) return absl::ResourceExhaustedError("the test's disk is full");
    // Sparse: a test may hand out more pages than it touches.
    return file_.Truncate(page_count * page_bytes_);
  }
  const page::PageSource& source() const override { return *source_; }
  absl::Status AllocateBlocks(uint64_t /*first_page*/, uint64_t /*count*/) override {
    return absl::OkStatus();
  }

  void PrepareToWrite(uint64_t /*first_page*/, uint64_t /*count*/) override {}

  uint32_t page_bytes() const { return page_bytes_; }

  // The same file seen anew: nothing is verified yet. What read the old source must be gone.
  void Reopen(bool verify_checksums = true) {
    source_ = std::make_unique<page::PageSource>(
        os::Mapping::Map(file_, kReserveBytes, os::Access::kReadWrite, false).value(), page_bytes_,
        verify_checksums, "memory");
  }

 private:
  static constexpr size_t kReserveBytes = size_t{1} << 33;

  const uint32_t page_bytes_;
  os::File file_;
  std::unique_ptr<page::PageSource> source_;
  uint64_t max_pages_ = UINT64_MAX;
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_MEMORY_BACKING_FOR_TESTING_H_
