#include "engine/tree/page_writer.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/page/checksum.h"

namespace espalier::tree {

using page::ChildRef;
using page::Header;

PageWriter::PageWriter(space::PageAllocator* allocator, Version version)
    : allocator_(allocator), reader_(&allocator->source(), version, allocator->page_count()) {}

void PageWriter::FollowTheFile() {
  reader_ = page::PageReader(&allocator_->source(), reader_.version(), allocator_->page_count());
}

absl::Status PageWriter::Explain(ChildRef ref, uint32_t level) const {
  if (reader_.Fetch(ref, level) != nullptr) {
    return source().DataLoss(
        absl::StrCat("page ", ref.number().value, ": in use, but the space map has it free"));
  }
  return reader_.Explain(ref, level);
}

absl::StatusOr<WritablePage> PageWriter::NewNode(uint32_t level) {
  ESPALIER_ASSIGN_OR_RETURN(const PageNumber number, allocator_->AllocatePage(reserve_));
  FollowTheFile();
  uint8_t* const bytes = source().write_page(number);
  Header& header = page::HeaderOf(bytes);
  header.identity =
      Header::MakeIdentity(number, level == 0 ? page::Kind::kLeaf : page::Kind::kInner, level);
  header.birth = version().value;
  header.entry_count = 0;
  header.heap_used = 0;
  header.heap_dead = 0;
  header.prefix_length = 0;
  source().verified().EnsureSet(number.value);
  return WritablePage{bytes, ChildRef::Make(number, version())};
}

absl::StatusOr<WritablePage> PageWriter::MakeWritable(ChildRef ref, const uint8_t* page) {
  const Header& header = page::HeaderOf(page);
  const bool own = header.birth == version().value;
  if (own) ESPALIER_RETURN_IF_ERROR(CheckOwn(ref));
  if (own || IsMutant(Mutant::kChangeInPlace)) {
    return WritablePage{source().write_page(ref.number()), ref};
  }
  ESPALIER_ASSIGN_OR_RETURN(const PageNumber number, allocator_->AllocatePage(reserve_));
  FollowTheFile();
  // All of the header is read before anything is stored to the copy: at the same place within a
  // page, a load waits for the store before it until the processor knows that they are different
  // pages, and this one it may have to look up in the page tables.
  ESPALIER_RETURN_IF_ERROR(FreeNode(ref, page));
  const uint64_t identity = Header::MakeIdentity(number, header.kind(), header.level());
  const uint32_t page_size = page_bytes();
  const uint32_t entry_bytes = header.level() == 0 ? 6 : 22;
  const size_t arrays_end =
      page::kHeaderBytes + size_t{header.prefix_length} + size_t{entry_bytes} * header.entry_count;
  const size_t heap_begin = page_size - size_t{header.heap_used};
  // The checksum stays behind: a checkpoint may be writing it just now. So does the free space
  // between arrays and heap.
  constexpr size_t kCountsOffset = offsetof(Header, entry_count);
  uint8_t* const copy = source().write_page(number);
  if (arrays_end + 512 < heap_begin && heap_begin <= page_size) {
    std::memcpy(copy + kCountsOffset, page + kCountsOffset, arrays_end - kCountsOffset);
    std::memcpy(copy + heap_begin, page + heap_begin, page_size - heap_begin);
  } else {
    std::memcpy(copy + kCountsOffset, page + kCountsOffset, page_size - kCountsOffset);
  }
  Header& copied = page::HeaderOf(copy);
  copied.identity = identity;
  copied.birth = version().value;
  source().verified().EnsureSet(number.value);
  return WritablePage{copy, ChildRef::Make(number, version())};
}

absl::Status PageWriter::CheckOwn(ChildRef ref) const {
  if (allocator_->IsNewNode(ref.number())) [[likely]]
    return absl::OkStatus();
  return source().DataLoss(
      absl::StrCat("page ", ref.number().value, ": has a version that is yet to come"));
}

absl::Status PageWriter::FreeNode(ChildRef ref, const uint8_t* page) {
  if (!allocator_->reachable().Test(ref.number().value)) {
    return source().DataLoss(absl::StrCat("page ", ref.number().value, ": referred to twice"));
  }
  const Version birth(page::HeaderOf(page).birth);
  if (birth == version()) ESPALIER_RETURN_IF_ERROR(CheckOwn(ref));
  const bool logged = birth > logged_after_ && allocator_->IsLogged(ref.number()) &&
                      !IsMutant(Mutant::kReuseLoggedLeaf);
  allocator_->FreeRun(ref.number(), 1, birth,
                      logged ? space::LoggedRun::kYes : space::LoggedRun::kNo);
  return absl::OkStatus();
}

uint64_t PageWriter::SealForLog(PageNumber leaf) {
  uint8_t* const page = source().write_page(leaf);
  page::SealPage(page, page_bytes(), leaf);
  allocator_->NoteLogged(leaf);
  return page::HeaderOf(page).checksum;
}

void PageWriter::DropWithheld(PageNumber leaf, Version birth) {
  allocator_->AdoptWithheld(leaf, 1);
  allocator_->FreeRun(leaf, 1, birth, space::LoggedRun::kYes);
}

absl::StatusOr<uint8_t*> PageWriter::NewRun(page::LargeRef& ref) {
  const uint64_t pages = ref.RunPages(page_bytes());
  ESPALIER_ASSIGN_OR_RETURN(ref.first_page, allocator_->AllocateRun(pages, reserve_));
  FollowTheFile();
  ref.birth = version();
  own_runs_[ref.first_page.value] = pages;
  for (uint64_t i = 0; i < pages; ++i)
    source().verified_chunks().EnsureSet(ref.first_page.value + i);
  return source().write_page(ref.first_page);
}

void PageWriter::AdoptRun(const page::LargeRef& ref) {
  const uint64_t pages = ref.RunPages(page_bytes());
  allocator_->AdoptWithheld(ref.first_page, pages);
  for (uint64_t i = 0; i < pages; ++i)
    source().verified_chunks().EnsureSet(ref.first_page.value + i);
}

absl::Status PageWriter::CheckRun(const page::LargeRef& ref) const {
  ESPALIER_RETURN_IF_ERROR(reader_.CheckBounds(ref));
  const uint64_t pages = ref.RunPages(page_bytes());
  if (allocator_->reachable().CountRange(ref.first_page.value, pages) != pages) {
    return source().DataLoss(absl::StrCat("page ", ref.first_page.value,
                                          ": the large value there is referred to twice, or not "
                                          "marked as in use"));
  }
  if (ref.birth == version()) {
    const auto own = own_runs_.find(ref.first_page.value);
    if (own == own_runs_.end() || own->second != pages) {
      return source().DataLoss(absl::StrCat("page ", ref.first_page.value,
                                            ": the large value there has a version that is yet to "
                                            "come"));
    }
  }
  return absl::OkStatus();
}

absl::Status PageWriter::FreeRun(const page::LargeRef& ref) {
  ESPALIER_RETURN_IF_ERROR(CheckRun(ref));
  const bool own = ref.birth == version();
  const bool logged = ref.birth > logged_after_ && (!own || own_runs_are_logged_) &&
                      !IsMutant(Mutant::kReuseLoggedRun);
  allocator_->FreeRun(ref.first_page, ref.RunPages(page_bytes()), ref.birth,
                      logged ? space::LoggedRun::kYes : space::LoggedRun::kNo);
  if (ref.birth == version()) own_runs_.erase(ref.first_page.value);
  return absl::OkStatus();
}

}  // namespace espalier::tree
