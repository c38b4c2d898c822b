// The database file as the allocator sees it: it grows, gets disk blocks, and its pages are made
// ready to be stored to.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/txn/engine.h"

namespace espalier::txn {
namespace {

// To the caller of a change these codes say that it asked for what cannot be, and that nothing was
// done; but the system may give them in the middle of a change.
absl::Status NotTheCallers(absl::Status status) {
  if (!absl::IsNotFound(status) && !absl::IsInvalidArgument(status)) return status;
  return absl::InternalError(status.message());
}

}  // namespace

absl::Status Engine::Grow(uint64_t page_count) { return NotTheCallers(GrowFile(page_count)); }

absl::Status Engine::GrowFile(uint64_t page_count) {
  const uint64_t old_pages = file_pages_.load();
  if (page_count <= old_pages) return absl::OkStatus();
  if (page_count > page::kMaxPageNumber) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path(), ": the file has reached its last page"));
  }
  if (access_ == os::Access::kPrivate) {
    if (page_count > source_->capacity_pages()) {
      return absl::ResourceExhaustedError(
          absl::StrCat(path(), ": no addresses for the private recovery"));
    }
    ESPALIER_RETURN_IF_ERROR(source_->mapping().ExtendPrivately(
        old_pages << page_shift_, (page_count - old_pages) << page_shift_));
    file_pages_.store(page_count);
    return absl::OkStatus();
  }
  ESPALIER_RETURN_IF_ERROR(
      IsMutant(Mutant::kGrowSparse)
          ? file_.Truncate(page_count << page_shift_)
          : file_.Allocate(old_pages << page_shift_, (page_count - old_pages) << page_shift_));
  if (page_count > source_->capacity_pages()) {
    const size_t wanted =
        std::max<size_t>(2 * source_->mapping().capacity_bytes(), page_count << (page_shift_ + 1));
    ESPALIER_ASSIGN_OR_RETURN(std::shared_ptr<page::PageSource> larger,
                              MapFile(page_count, wanted));
    larger->verified().CopyFrom(source_->verified());
    larger->verified_chunks().CopyFrom(source_->verified_chunks());
    // The transaction reads through the old one: if there is no memory, that must not be gone.
    outgrown_.push_back(source_);
    source_ = std::move(larger);
  }
  file_pages_.store(page_count);
  return absl::OkStatus();
}

absl::Status Engine::AllocateBlocks(uint64_t first_page, uint64_t count) {
  if (access_ == os::Access::kPrivate) return absl::OkStatus();
  return NotTheCallers(file_.Allocate(first_page << page_shift_, count << page_shift_));
}

// The page cache keeps in one piece what came to it by one write. Large pieces are quicker to come
// by, to map and to read (docs/decisions/0013). All this only saves time: what it cannot do, the
// first store to the page does.
void Engine::PrepareNew(uint64_t first_page, uint64_t count) {
  if (access_ != os::Access::kPrivate) Prepare({first_page, count}, source_->mapping());
}

void Engine::Prepare(const PageRun& pages, os::Mapping& mapping) {
  const uint64_t offset = pages.first << page_shift_;
  const uint64_t length = pages.count << page_shift_;
  file_.WriteZeros(offset, length).IgnoreError();
  mapping.PopulateWrite(offset, length).IgnoreError();
}

void Engine::PrepareNewAhead(uint64_t first_page, uint64_t count) {
  if (access_ != os::Access::kPrivate) preparer_.Start({first_page, count}, source_);
}

bool Engine::FinishAhead() { return preparer_.Finish(); }

void Engine::PrepareAgain(uint64_t first_page, uint64_t count) {
  if (access_ == os::Access::kPrivate) return;
  source_->mapping().PopulateWrite(first_page << page_shift_, count << page_shift_).IgnoreError();
}

Engine::Cached Engine::CachedFrom(uint64_t first_page, uint64_t count) const {
  const os::Mapping::Cached alike =
      source_->mapping().CachedFrom(first_page << page_shift_, count << page_shift_);
  // A page that is there in part is not there.
  if (alike.length < page_bytes()) return {false, 1};
  return {alike.cached, alike.length >> page_shift_};
}

// But a store to any part of a piece has all of it written, as INV-8 says; so what is to be written
// again is taken out of the piece that it may be part of.
void Engine::Separate(uint64_t first_page, uint64_t count) {
  if (access_ == os::Access::kPrivate) return;
  source_->mapping().Separate(first_page << page_shift_, count << page_shift_);
}

}  // namespace espalier::txn
