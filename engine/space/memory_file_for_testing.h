// A BackingFile in memory, of a size that can be limited, which knows which pages have blocks.
#ifndef ESPALIER_ENGINE_SPACE_MEMORY_FILE_FOR_TESTING_H_
#define ESPALIER_ENGINE_SPACE_MEMORY_FILE_FOR_TESTING_H_

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/bitmap.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/file.h"
#include "engine/os/mapping.h"
#include "engine/page/page_source.h"
#include "engine/space/page_allocator.h"

namespace espalier::space {

class MemoryFile final : public BackingFile {
 public:
  static constexpr uint32_t kPageBytes = 4096;

  // The file may grow to `capacity_pages`. It is sparse: only what is touched takes memory.
  explicit MemoryFile(uint64_t capacity_pages)
      : file_(os::File::CreateInMemory("test").value()), capacity_pages_(capacity_pages) {
    source_ = MakeSource();
  }

  absl::Status Grow(uint64_t page_count) override {
    if (page_count > limit_pages_) return absl::ResourceExhaustedError("the test's disk is full");
    if (absl::Status status = file_.Truncate(page_count * kPageBytes); !status.ok()) return status;
    const uint64_t old_count = blocks_.size();
    if (page_count > old_count) {
      blocks_.Resize(page_count);
      blocks_.SetRange(old_count, page_count - old_count);
    }
    return absl::OkStatus();
  }
  const page::PageSource& source() const override { return *source_; }
  absl::Status AllocateBlocks(uint64_t first_page, uint64_t count) override {
    if (blocks_full_) return absl::ResourceExhaustedError("the test's disk is full");
    blocks_.SetRange(first_page, count);
    return absl::OkStatus();
  }

  // Only pages with blocks: without them the kernel would have to find some, or fail.
  void PrepareNew(uint64_t first_page, uint64_t count) override {
    EXPECT_EQ(blocks_.CountRange(first_page, count), count);
    prepared_new_.push_back({first_page, count});
    for (uint64_t page = first_page; page < first_page + count; ++page) uncached_.erase(page);
    // It may overwrite them.
    std::memset(source_->write_page(PageNumber(first_page)), 0xee, count * kPageBytes);
  }
  void PrepareAgain(uint64_t first_page, uint64_t count) override {
    for (uint64_t page = first_page; page < first_page + count; ++page) {
      EXPECT_FALSE(uncached_.contains(page)) << "read for nothing";
    }
    EXPECT_EQ(blocks_.CountRange(first_page, count), count);
    prepared_again_.push_back({first_page, count});
  }
  Cached CachedFrom(uint64_t first_page, uint64_t count) const override {
    const bool cached = !uncached_.contains(first_page);
    uint64_t alike = 1;
    while (alike < count && uncached_.contains(first_page + alike) != cached) ++alike;
    return {cached, alike};
  }
  void Separate(uint64_t first_page, uint64_t count) override {
    for (uint64_t page = first_page; page < first_page + count; ++page) {
      EXPECT_FALSE(uncached_.contains(page)) << "read for nothing";
    }
    separated_.push_back({first_page, count});
  }
  // Happens as late as can be: whatever was stored there before is lost.
  void PrepareNewAhead(uint64_t first_page, uint64_t count) override {
    EXPECT_FALSE(ahead_.has_value());
    EXPECT_EQ(blocks_.CountRange(first_page, count), count);
    ahead_ = {first_page, count};
  }
  bool FinishAhead() override {
    const std::optional<PageRun> pages = std::exchange(ahead_, std::nullopt);
    if (!pages.has_value()) return false;
    PrepareNew(pages->first, pages->count);
    if (!busy_) ++finished_ahead_;
    return !busy_;
  }
  // Memory loses a page.
  void Evict(uint64_t page) { uncached_.insert(page); }
  // What is prepared ahead comes to nothing, though perhaps not without a trace.
  void set_busy(bool busy) { busy_ = busy; }
  uint64_t finished_ahead() const { return finished_ahead_; }
  // What was prepared, or separated, since the last call.
  std::vector<PageRun> TakePreparedNew() { return std::exchange(prepared_new_, {}); }
  std::vector<PageRun> TakePreparedAgain() { return std::exchange(prepared_again_, {}); }
  std::vector<PageRun> TakeSeparated() { return std::exchange(separated_, {}); }

  // Growing beyond fails from now on.
  void set_limit_pages(uint64_t pages) { limit_pages_ = pages; }
  // Giving blocks to punched pages fails.
  void set_blocks_full(bool full) { blocks_full_ = full; }

  // Pages with blocks, as far as the file reaches.
  const Bitmap& blocks() const { return blocks_; }
  void Punch(const PageRun& run) { blocks_.ClearRange(run.first, run.count); }
  // Starts with pages that may have no blocks, as an existing file does.
  void StartSparse(uint64_t page_count) {
    ASSERT_THAT(file_.Truncate(page_count * kPageBytes), IsOk());
    blocks_ = Bitmap(page_count);
  }
  void Cut(uint64_t page_count) {
    ASSERT_THAT(file_.Truncate(page_count * kPageBytes), IsOk());
    blocks_.Resize(page_count);
  }

  // Another mapping of the same file, which knows no page yet.
  std::shared_ptr<page::PageSource> MakeSource() {
    std::unique_ptr<os::Mapping> mapping =
        os::Mapping::Map(file_, (capacity_pages_ + 256) * kPageBytes, os::Access::kReadWrite,
                         /*separate_read_view=*/false)
            .value();
    return std::make_shared<page::PageSource>(std::move(mapping), kPageBytes,
                                              /*verify_checksums=*/true, "test");
  }

 private:
  os::File file_;
  const uint64_t capacity_pages_;
  std::shared_ptr<page::PageSource> source_;
  Bitmap blocks_;
  std::vector<PageRun> prepared_new_;
  std::vector<PageRun> prepared_again_;
  std::vector<PageRun> separated_;
  uint64_t limit_pages_ = UINT64_MAX;
  bool blocks_full_ = false;
  std::optional<PageRun> ahead_;
  std::set<uint64_t> uncached_;
  bool busy_ = false;
  uint64_t finished_ahead_ = 0;
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_MEMORY_FILE_FOR_TESTING_H_
