// The pages of the running write transaction: fresh ones, copies of older ones (shadow paging: a
// page born before the transaction is never changed, INV-1), and the way back to free space.
#ifndef ESPALIER_ENGINE_TREE_PAGE_WRITER_H_
#define ESPALIER_ENGINE_TREE_PAGE_WRITER_H_

#include <cstdint>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/types.h"
#include "engine/page/format.h"
#include "engine/page/large_ref.h"
#include "engine/page/page_source.h"
#include "engine/space/page_allocator.h"

namespace espalier::tree {

struct WritablePage {
  uint8_t* bytes;
  page::ChildRef ref;
};

// Needs the writer's lock.
class PageWriter {
 public:
  // `version` is the one that the transaction makes.
  PageWriter(space::PageAllocator* allocator, Version version);

  // The log may refer to runs and leaves born after `durable`, the version of the last checkpoint;
  // to the transaction's own runs if it is logged.
  void ProtectLoggedRuns(Version durable, bool own_runs) {
    logged_after_ = durable;
    own_runs_are_logged_ = own_runs;
  }

  Version version() const { return reader_.version(); }
  uint32_t page_bytes() const { return reader_.source().page_bytes(); }
  // Sees the transaction's own pages and those before it.
  const page::PageReader& reader() const { return reader_; }
  const page::PageSource& source() const { return reader_.source(); }

  // Which pages allocations may use from now on; kKeep at first.
  void set_reserve(space::Reserve reserve) { reserve_ = reserve; }
  space::Reserve reserve() const { return reserve_; }

  // As PageReader's, and the page is marked as in use: the allocator will not hand it out while the
  // caller looks at it. A damaged file's space map may have it free.
  const uint8_t* Fetch(page::ChildRef ref, uint32_t level) const {
    const uint8_t* const page = reader_.Fetch(ref, level);
    if (page == nullptr || !allocator_->reachable().Test(ref.number().value)) [[unlikely]] {
      return nullptr;
    }
    return page;
  }
  absl::Status Explain(page::ChildRef ref, uint32_t level) const;

  // A fresh node without entries. kResourceExhausted when the disk is full.
  absl::StatusOr<WritablePage> NewNode(uint32_t level);

  // A page that may be changed, instead of `page`, which is what Fetch() gave for `ref`: the same
  // if the transaction wrote it, else a copy, and the original is freed. kDataLoss where FreeNode()
  // has it.
  absl::StatusOr<WritablePage> MakeWritable(page::ChildRef ref, const uint8_t* page);

  // kDataLoss if the page is not in use (a damaged file refers to it twice), or claims to be
  // written by this transaction, which it was not.
  absl::Status FreeNode(page::ChildRef ref, const uint8_t* page);

  // Makes one of the transaction's own leaves, which does not change any more, one that the log may
  // refer to. Returns its checksum.
  uint64_t SealForLog(PageNumber leaf);
  // A leaf of an earlier version that the allocator withholds, and that the next checkpoint makes
  // superfluous.
  void DropWithheld(PageNumber leaf, Version birth);

  // A run for a large value: fills in first_page and birth.
  absl::StatusOr<uint8_t*> NewRun(page::LargeRef& ref);
  // Takes over a run of an earlier version that the allocator withholds.
  void AdoptRun(const page::LargeRef& ref);
  // kDataLoss if the reference is out of bounds, its pages are not in use, or it claims to be
  // written by this transaction, which it was not: its pages would be free at once.
  absl::Status FreeRun(const page::LargeRef& ref);
  // What FreeRun() would refuse.
  absl::Status CheckRun(const page::LargeRef& ref) const;

 private:
  void FollowTheFile();
  // kDataLoss if a node has the transaction's version and was not made by it.
  absl::Status CheckOwn(page::ChildRef ref) const;

  space::PageAllocator* const allocator_;
  page::PageReader reader_;
  space::Reserve reserve_ = space::Reserve::kKeep;
  Version logged_after_{UINT64_MAX};
  bool own_runs_are_logged_ = false;
  // The transaction's runs: their pages by the first one.
  std::unordered_map<uint64_t, uint64_t> own_runs_;
};

}  // namespace espalier::tree

#endif  // ESPALIER_ENGINE_TREE_PAGE_WRITER_H_
