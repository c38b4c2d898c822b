// Reads everything again and compares it with what the engine believes: see Database::Verify.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/log/log_reader.h"
#include "engine/log/redo.h"
#include "engine/page/checksum.h"
#include "engine/page/inner.h"
#include "engine/page/leaf.h"
#include "engine/page/validate.h"
#include "engine/txn/catalogue.h"
#include "engine/txn/engine.h"
#include "engine/txn/transaction_state.h"

namespace espalier::txn {

using page::ChildRef;
using page::Inner;
using page::Leaf;

class Verifier {
 public:
  Verifier(Engine* engine, const ProgressFunction& progress)
      : engine_(*engine), progress_(progress) {}

  absl::StatusOr<VerifyResult> Run() {
    {
      // No checkpoint may replace the space map while it is read.
      engine_.ClaimWithGate();
      absl::Cleanup release = [this] { engine_.ReleaseClaim(); };
      ESPALIER_RETURN_IF_ERROR(TakeSnapshot());
      CheckSpaceMap();
      CheckSlot();
      CheckLog();
    }
    CheckTree("the catalogue", catalogue_, /*counted=*/true);
    CheckKeyspaces();
    if (cancelled_) return absl::CancelledError("the verification was cancelled");
    CompareWithAllocator();
    return std::move(result_);
  }

 private:
  static constexpr size_t kMaxProblems = 1000;

  // The keys below a node are >= begin and < end.
  struct Range {
    std::string_view begin;
    std::optional<std::string_view> end;
  };

  // One version and the allocator's view of it, taken together.
  absl::Status TakeSnapshot() {
    absl::Cleanup leave = [this] { engine_.gate_.Leave(); };
    ESPALIER_RETURN_IF_ERROR(engine_.PublishApplied());
    ESPALIER_ASSIGN_OR_RETURN(transaction_, engine_.BeginRead());
    const VersionState& newest = engine_.applied();
    // Of the whole file, which the version's own mapping need not show: a transaction that was
    // rolled back may have made the file larger since.
    source_ = engine_.source_;
    reader_ = page::PageReader(source_.get(), newest.version, engine_.allocator_->page_count());
    catalogue_ = newest.catalogue;
    reachable_ = engine_.allocator_->reachable();
    free_ = engine_.allocator_->FreePages();
    waiting_ = engine_.allocator_->WaitingPagesBitmap();
    unsealed_ = engine_.allocator_->unsealed();
    space_map_pages_ = engine_.space_map_->Pages();
    {
      MutexLock lock(&engine_.state_mutex_);
      slot_ = engine_.slot_;
      slot_index_ = engine_.slot_index_;
    }
    log_ = engine_.log_;
    if (log_ != nullptr) {
      log_end_ = log_->end();
      // The mark of a checkpoint that came to nothing is in memory only.
      if (engine_.PoisonStatus().ok()) {
        ESPALIER_RETURN_IF_ERROR(engine_.FlushLog(*log_, log_end_));
      }
    }
    seen_ = Bitmap(reachable_.size());
    result_.pages = reachable_.size();
    total_pages_ = reachable_.Count();
    // What a private recovery has added is in no file.
    if (engine_.access_ == os::Access::kPrivate) return absl::OkStatus();
    // The last page may be cut off within a host page, which no access shows.
    ESPALIER_ASSIGN_OR_RETURN(const uint64_t file_bytes, engine_.file_.Size());
    if (file_bytes / engine_.page_bytes() < result_.pages) {
      Problem("the file has ", file_bytes, " bytes, fewer than its ", result_.pages, " pages of ",
              engine_.page_bytes(), " bytes");
    }
    return absl::OkStatus();
  }

  template <typename... Parts>
  void Problem(const Parts&... parts) {
    if (result_.problems.size() < kMaxProblems) result_.problems.push_back(absl::StrCat(parts...));
  }
  void Problem(const absl::Status& status) { Problem(status.message()); }

  void Tick(uint64_t pages) {
    done_ += pages;
    if (done_ >= next_tick_) {
      next_tick_ = done_ + 1024;
      if (progress_ && !progress_(done_, total_pages_)) cancelled_ = true;
    }
  }

  void CheckSlot() {
    std::array<uint8_t, page::CheckpointSlot::kEncodedBytes> bytes{};
    const auto read = engine_.file_.ReadAt(page::kSlotOffsets[slot_index_], bytes);
    if (!read.ok()) return Problem(read.status());
    const auto slot = page::CheckpointSlot::Decode(bytes, engine_.superblock_.uuid, slot_index_);
    if (!slot.has_value()) {
      Problem("checkpoint slot ", slot_index_, ": damaged");
    } else if (slot->sequence < slot_.sequence) {
      Problem("checkpoint slot ", slot_index_, ": sequence ", slot->sequence, " instead of ",
              slot_.sequence);
    }
    std::array<uint8_t, page::Superblock::kEncodedBytes> superblock{};
    if (const auto size = engine_.file_.ReadAt(page::kSuperblockOffset, superblock); !size.ok()) {
      Problem(size.status());
    } else if (const auto decoded = page::Superblock::Decode(superblock, engine_.path());
               !decoded.ok()) {
      Problem(decoded.status());
    }
  }

  // From the checkpoint's mark to what was appended last. No checkpoint lets the beginning be
  // overwritten meanwhile.
  void CheckLog() {
    if (engine_.options_.read_only) {
      result_.log_bytes = engine_.recovered_bytes_;
      result_.log_transactions = engine_.recovered_transactions_;
    }
    if (log_ == nullptr || slot_.log_generation == 0) return;
    const LogPosition begin(slot_.log_position);
    log::LogReader reader(&log_->file(), log_->ring_bytes(),
                          {.position = begin,
                           .generation = slot_.log_generation,
                           .chain_value = slot_.log_chain_value});
    while (reader.place().position < log_end_) {
      const auto record = reader.Next();
      if (!record.ok()) return Problem(record.status());
      if (!record->has_value()) {
        return Problem("the log: damaged at ", reader.place().position.value,
                       ", before its end at ", log_end_.value);
      }
      if ((*record)->kind != log::RecordKind::kTransaction) continue;
      ++result_.log_transactions;
      log::RedoReader redo((*record)->payload);
      while (redo.Next().has_value()) {
      }
      if (redo.malformed()) {
        Problem("the log: the record at ", (*record)->position.value, " is malformed");
      }
    }
    result_.log_bytes = log_end_.value - begin.value;
  }

  // False if the pages are out of bounds or belong to something else already.
  bool Claim(uint64_t first, uint64_t count, std::string_view what) {
    if (first >= seen_.size() || count > seen_.size() - first) {
      Problem("page ", first, ": past the end of the file");
      return false;
    }
    if (seen_.CountRange(first, count) > 0) {
      Problem("page ", first, ": referred to twice, the second time from ", std::string(what));
      return false;
    }
    seen_.SetRange(first, count);
    return true;
  }

  const uint8_t* Fetch(ChildRef ref, page::Kind kind, uint32_t level, const std::string& what) {
    const uint8_t* const page = reader_.FetchKind(ref, kind, level);
    if (page == nullptr) {
      Problem(reader_.Explain(ref, kind, level));
      return nullptr;
    }
    const PageNumber number = ref.number();
    if (!Claim(number.value, 1, what)) return nullptr;
    Tick(1);
    // Verified at first touch, but that may be long ago.
    const bool sealed = number.value >= unsealed_.size() || !unsealed_.Test(number.value);
    if (sealed && !page::ChecksumMatches(page, engine_.page_bytes(), number)) {
      Problem("page ", number.value, ": checksum mismatch");
      return nullptr;
    }
    if (const char* fault = page::FindStructuralFault(page, engine_.page_bytes())) {
      Problem("page ", number.value, ": ", fault);
      return nullptr;
    }
    return page;
  }

  void CheckTree(const std::string& what, const page::TreeRoot& root, bool counted) {
    if (root.height == 0) return;
    const std::optional<uint64_t> entries =
        CheckNode(what, root.ref, root.height - 1, Range{}, counted);
    if (counted && entries.has_value() && *entries != root.entries) {
      Problem(what, ": its root claims ", root.entries, " entries, there are ", *entries);
    }
  }

  // The number of entries below; nothing if some could not be read.
  std::optional<uint64_t> CheckNode(const std::string& what, ChildRef ref, uint32_t level,
                                    const Range& range, bool counted) {
    if (cancelled_) return std::nullopt;
    const uint8_t* const page =
        Fetch(ref, level == 0 ? page::Kind::kLeaf : page::Kind::kInner, level, what);
    if (page == nullptr) return std::nullopt;
    if (level == 0) {
      CheckLeaf(what, Leaf(page), ref.number(), range);
      return Leaf(page).size();
    }
    const Inner inner(page);
    ++result_.inner_pages;
    result_.used_bytes += inner.UsedBytes();
    std::vector<std::string> separators(inner.size());
    for (uint32_t i = 1; i < inner.size(); ++i) {
      inner.separator(i).CopyTo(separators[i]);
      if (separators[i] < range.begin || (range.end.has_value() && separators[i] >= *range.end)) {
        Problem("page ", ref.number().value, ": separator ", i, " is outside of the page's range");
      }
    }
    uint64_t sum = 0;
    bool complete = true;
    for (uint32_t i = 0; i < inner.size(); ++i) {
      const Range part{
          i == 0 ? range.begin : std::string_view(separators[i]),
          i + 1 < inner.size() ? std::optional<std::string_view>(separators[i + 1]) : range.end};
      const std::optional<uint64_t> below =
          CheckNode(what, inner.child(i), level - 1, part, counted);
      if (!below.has_value()) {
        complete = false;
        continue;
      }
      if (counted && *below != inner.count(i)) {
        Problem("page ", ref.number().value, ": counts ", inner.count(i), " entries below child ",
                i, ", there are ", *below);
      }
      sum += *below;
    }
    return complete ? std::optional<uint64_t>(sum) : std::nullopt;
  }

  void CheckLeaf(const std::string& what, const Leaf& leaf, PageNumber number, const Range& range) {
    ++result_.leaf_pages;
    result_.used_bytes += leaf.UsedBytes();
    std::string key;
    const uint32_t size = leaf.size();
    for (const uint32_t index : {0u, size - 1}) {
      if (size == 0) break;
      leaf.key(index).CopyTo(key);
      if (key < range.begin || (range.end.has_value() && key >= *range.end)) {
        Problem("page ", number.value, ": entry ", index, " is outside of the page's range");
      }
    }
    for (uint32_t i = 0; i < size; ++i) {
      const page::Payload payload = leaf.payload(i);
      if (!payload.large) continue;
      const page::LargeRef ref =
          page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data()));
      CheckLarge(what, ref);
    }
  }

  void CheckLarge(const std::string& what, const page::LargeRef& ref) {
    if (absl::Status status = reader_.CheckBounds(ref); !status.ok()) return Problem(status);
    const uint64_t pages = ref.RunPages(engine_.page_bytes());
    if (!Claim(ref.first_page.value, pages, what)) return;
    result_.large_value_pages += pages;
    const uint8_t* const run = reader_.source().read_page(ref.first_page);
    for (uint64_t chunk = 0; chunk < ref.ChunkCount() && !cancelled_; ++chunk) {
      if (!page::LargeChunkMatches(ref, run, chunk)) {
        Problem("page ", ref.first_page.value, ": checksum mismatch in chunk ", chunk,
                " of a large value");
      }
      Tick(std::min<uint64_t>(pages, page::LargeRef::kChunkBytes / engine_.page_bytes()));
    }
  }

  void CheckKeyspaces() {
    const auto keyspaces = transaction_->ListKeyspaces();
    if (!keyspaces.ok()) {
      Problem(keyspaces.status());
    } else {
      for (const NamedKeyspace& keyspace : *keyspaces) {
        CheckTree(absl::StrCat("keyspace \"", keyspace.name, "\""), keyspace.record.root,
                  /*counted=*/true);
        result_.entries += keyspace.record.root.entries;
      }
    }
    const auto detached = CatalogueReader(reader_, catalogue_).Detached(SIZE_MAX);
    if (!detached.ok()) return Problem(detached.status());
    for (const DetachedRecord& record : *detached) {
      // Their counts are not kept up while they are freed.
      CheckTree("a dropped tree", {record.tree.ref, 0, record.tree.level + 1}, /*counted=*/false);
    }
  }

  void CheckSpaceMap() {
    for (const PageNumber number : space_map_pages_) {
      if (!Claim(number.value, 1, "the space map")) continue;
      ++result_.space_map_pages;
      ++done_;  // without a call to the user's function under a lock
      const uint8_t* const page = reader_.source().read_page(number);
      const bool sealed = !unsealed_.Test(number.value);
      if (sealed && !page::ChecksumMatches(page, engine_.page_bytes(), number)) {
        Problem("page ", number.value, ": checksum mismatch in the space map");
      }
    }
  }

  void CompareWithAllocator() {
    if (reader_.source().faulted()) Problem(reader_.source().FaultStatus());
    result_.free_pages = free_.Count();
    result_.waiting_pages = waiting_.Count();
    const uint64_t reserved = page::FirstDataPage(engine_.page_bytes());
    const bool all_read = result_.problems.empty();
    for (uint64_t page = reserved; page < seen_.size(); ++page) {
      const int uses = reachable_.Test(page) + free_.Test(page) + waiting_.Test(page);
      if (uses != 1) {
        Problem("page ", page, ": ",
                uses == 0 ? "neither in use nor free nor waiting"
                          : "in use, free or waiting at the same time");
      }
      if (seen_.Test(page) && !reachable_.Test(page)) {
        Problem("page ", page, ": in use, but not marked so");
      } else if (!seen_.Test(page) && reachable_.Test(page) && all_read) {
        Problem("page ", page, ": marked as in use, but nothing refers to it");
      }
    }
    if (progress_) progress_(done_, done_);
  }

  Engine& engine_;
  const ProgressFunction& progress_;
  std::shared_ptr<TransactionState> transaction_;
  std::shared_ptr<page::PageSource> source_;
  page::PageReader reader_;
  page::TreeRoot catalogue_;
  page::CheckpointSlot slot_;
  uint32_t slot_index_ = 0;
  std::shared_ptr<log::LogWriter> log_;
  LogPosition log_end_{0};
  Bitmap reachable_;
  Bitmap free_;
  Bitmap waiting_;
  Bitmap unsealed_;
  Bitmap seen_;
  std::vector<PageNumber> space_map_pages_;
  VerifyResult result_;
  uint64_t total_pages_ = 0;
  uint64_t done_ = 0;
  uint64_t next_tick_ = 0;
  bool cancelled_ = false;
};

absl::StatusOr<VerifyResult> Engine::Verify(const ProgressFunction& progress) {
  ESPALIER_RETURN_IF_ERROR(CheckUsable());
  return Verifier(this, progress).Run();
}

}  // namespace espalier::txn
