#include "engine/txn/salvage.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/bitmap.h"
#include "engine/base/status_macros.h"
#include "engine/os/file.h"
#include "engine/os/mapping.h"
#include "engine/page/checkpoint_slot.h"
#include "engine/page/inner.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "engine/page/page_source.h"
#include "engine/page/superblock.h"
#include "engine/tree/values.h"
#include "engine/txn/catalogue.h"

namespace espalier::txn {
namespace {

using page::ChildRef;
using page::Header;
using page::Inner;
using page::Kind;
using page::Leaf;

// Made longer where a keyspace has the name.
constexpr std::string_view kOrphans = "salvaged";

class Salvager {
 public:
  Salvager(std::shared_ptr<page::PageSource> source, uint64_t file_pages,
           const SalvageFunction& sink)
      : source_(std::move(source)),
        file_pages_(file_pages),
        // No version is too new to be read.
        reader_(source_.get(), Version(UINT64_MAX), file_pages),
        sink_(sink),
        visited_(file_pages) {
    result_.pages = file_pages;
  }

  absl::StatusOr<SalvageResult> Run(const std::vector<page::CheckpointSlot>& slots) {
    // The newest slot's tree is what the database was; the older one's pages may be gone.
    if (!slots.empty()) ESPALIER_RETURN_IF_ERROR(WalkKeyspaces(slots[0]));
    ESPALIER_RETURN_IF_ERROR(DeliverOrphans());
    return result_;
  }

 private:
  using LeafFunction = std::function<absl::Status(const Leaf&)>;

  // Whether the file has the pages and the disk gives them. To touch such that it does not give
  // would be for ever: nothing is taken from a mapping that has faulted.
  bool CanRead(PageNumber first, uint64_t count) const {
    if (first.value >= file_pages_ || count > file_pages_ - first.value) return false;
    const absl::Status status = source_->mapping().PopulateRead(
        first.value << source_->page_shift(), count << source_->page_shift());
    return status.ok() || absl::IsUnimplemented(status);
  }

  bool CanReadValue(const page::Payload& payload) const {
    if (!payload.large) return true;
    const auto ref = page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload.bytes.data()));
    if (!reader_.CheckBounds(ref).ok()) return false;
    const uint64_t pages = ref.RunPages(source_->page_bytes());
    source_->mapping().Prefetch(ref.first_page.value << source_->page_shift(),
                                pages << source_->page_shift());
    return CanRead(ref.first_page, pages);
  }

  // A copy of a valid page, nothing if it is none. The file may lose the page later.
  std::vector<uint8_t> ReadPage(ChildRef ref, uint32_t level) const {
    const uint8_t* const page = CanRead(ref.number(), 1) ? reader_.Fetch(ref, level) : nullptr;
    if (page == nullptr) return {};
    std::vector<uint8_t> copy(page, page + source_->page_bytes());
    if (source_->faulted()) return {};
    return copy;
  }

  // Calls `function` for every valid leaf below, in key order, and counts what is damaged.
  absl::Status WalkNode(ChildRef ref, uint32_t level, const LeafFunction& function) {
    const std::vector<uint8_t> page = ReadPage(ref, level);
    if (page.empty()) {
      ++result_.damaged_pages;
      return absl::OkStatus();
    }
    if (visited_.Test(ref.number().value)) return absl::OkStatus();  // a circle
    visited_.Set(ref.number().value);
    if (level == 0) return function(Leaf(page.data()));
    const Inner inner(page.data());
    for (uint32_t i = 0; i < inner.size(); ++i) {
      ESPALIER_RETURN_IF_ERROR(WalkNode(inner.child(i), level - 1, function));
    }
    return absl::OkStatus();
  }

  absl::Status WalkTree(const page::TreeRoot& root, const LeafFunction& function) {
    return root.height == 0 ? absl::OkStatus() : WalkNode(root.ref, root.height - 1, function);
  }

  absl::Status WalkKeyspaces(const page::CheckpointSlot& slot) {
    std::map<uint64_t, NamedKeyspace> keyspaces;
    ESPALIER_RETURN_IF_ERROR(WalkTree(slot.catalogue, [&](const Leaf& leaf) {
      std::string key;
      for (uint32_t i = 0; i < leaf.size(); ++i) {
        leaf.key(i).CopyTo(key);
        if (std::optional<NamedKeyspace> keyspace = DecodeKeyspace(key, leaf.payload(i).bytes)) {
          const uint64_t id = keyspace->id;
          keyspaces.insert_or_assign(id, *std::move(keyspace));
        }
      }
      return absl::OkStatus();
    }));
    if (slot.keyspace.has_value()) {
      NamedKeyspace& keyspace = keyspaces[slot.keyspace->id];
      // Its name may be lost with the catalogue.
      if (keyspace.name.empty() && slot.keyspace->id != kDefaultKeyspaceId) {
        keyspace.name = absl::StrCat("keyspace ", slot.keyspace->id);
      }
      keyspace.record.root = slot.keyspace->root;
    }
    for (const auto& entry : keyspaces) {
      const NamedKeyspace& keyspace = entry.second;
      names_.insert(keyspace.name);
      ESPALIER_RETURN_IF_ERROR(WalkTree(
          keyspace.record.root, [&](const Leaf& leaf) { return Deliver(keyspace.name, leaf); }));
    }
    return absl::OkStatus();
  }

  // Valid leaves that no valid page leads to, older versions first.
  absl::Status DeliverOrphans() {
    struct Orphan {
      uint64_t birth;
      ChildRef ref;
    };
    std::vector<Orphan> orphans;
    for (uint64_t number = page::FirstDataPage(source_->page_bytes()); number < file_pages_;
         ++number) {
      if (visited_.Test(number) || !CanRead(PageNumber(number), 1)) continue;
      const Header& header = page::HeaderOf(source_->read_page(PageNumber(number)));
      if (header.identity != Header::MakeIdentity(PageNumber(number), Kind::kLeaf, 0)) continue;
      const ChildRef ref = ChildRef::Make(PageNumber(number), Version(header.birth));
      if (reader_.Fetch(ref, 0) != nullptr) orphans.push_back({header.birth, ref});
    }
    std::stable_sort(orphans.begin(), orphans.end(),
                     [](const Orphan& a, const Orphan& b) { return a.birth < b.birth; });
    std::string name(kOrphans);
    while (names_.contains(name)) name += '+';
    for (const Orphan& orphan : orphans) {
      const std::vector<uint8_t> page = ReadPage(orphan.ref, 0);
      if (page.empty()) continue;
      const Leaf leaf(page.data());
      // The catalogue's own old leaves are no user's data. (Of very many keyspaces, some come
      // along.)
      if (LooksLikeCatalogue(leaf)) continue;
      ESPALIER_RETURN_IF_ERROR(Deliver(name, leaf));
    }
    return absl::OkStatus();
  }

  absl::Status Deliver(const std::string& keyspace, const Leaf& leaf) {
    ++result_.leaf_pages;
    std::string key;
    for (uint32_t i = 0; i < leaf.size(); ++i) {
      leaf.key(i).CopyTo(key);
      values_.Reset();
      const page::Payload payload = leaf.payload(i);
      absl::StatusOr<std::string_view> value;
      if (CanReadValue(payload)) value = tree::DecodeValue(reader_, payload, values_);
      if (!value.ok()) {
        ++result_.lost_values;
        continue;
      }
      ++result_.entries;
      ESPALIER_RETURN_IF_ERROR(sink_(keyspace, key, *value));
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<page::PageSource> source_;
  const uint64_t file_pages_;
  const page::PageReader reader_;
  const SalvageFunction& sink_;
  Bitmap visited_;
  std::set<std::string> names_;  // of the keyspaces that were found
  page::Arena values_;
  SalvageResult result_;
};

// Without a superblock: the page size at which the most pages say their own number.
uint32_t GuessPageBytes(const os::File& file, uint64_t file_bytes) {
  uint32_t best = page::kMinPageBytes;
  uint64_t best_score = 0;
  for (uint32_t page_bytes = page::kMinPageBytes; page_bytes <= page::kMaxPageBytes;
       page_bytes *= 2) {
    uint64_t score = 0;
    const uint64_t first = page::FirstDataPage(page_bytes);
    const uint64_t pages = std::min<uint64_t>(file_bytes / page_bytes, first + 4096);
    for (uint64_t number = first; number < pages; ++number) {
      Header header;
      const auto read = file.ReadAt(number * page_bytes,
                                    std::span(reinterpret_cast<uint8_t*>(&header), sizeof(header)));
      if (read.ok() && *read == sizeof(header) && header.number().value == number &&
          header.birth > 0) {
        score += page_bytes;
      }
    }
    if (score > best_score) {
      best_score = score;
      best = page_bytes;
    }
  }
  return best;
}

}  // namespace

absl::StatusOr<SalvageResult> SalvageFile(const std::string& path, const SalvageFunction& sink) {
  ESPALIER_ASSIGN_OR_RETURN(os::File file, os::File::Open(path, os::OpenMode::kReadOnly));
  ESPALIER_RETURN_IF_ERROR(file.LockShared());
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t file_bytes, file.Size());
  std::array<uint8_t, page::Superblock::kEncodedBytes> bytes{};
  // Here, too, what cannot be read is damaged.
  const size_t read = file.ReadAt(page::kSuperblockOffset, bytes).value_or(0);
  const absl::StatusOr<page::Superblock> superblock =
      page::Superblock::Decode(std::span(bytes).first(read), path);
  const uint32_t page_bytes =
      superblock.ok() ? superblock->page_bytes : GuessPageBytes(file, file_bytes);
  std::vector<page::CheckpointSlot> slots;
  for (uint32_t i = 0; i < 2; ++i) {
    std::array<uint8_t, page::CheckpointSlot::kEncodedBytes> slot_bytes{};
    if (!file.ReadAt(page::kSlotOffsets[i], slot_bytes).ok()) continue;
    const std::optional<page::CheckpointSlot> slot =
        superblock.ok() ? page::CheckpointSlot::Decode(slot_bytes, superblock->uuid, i)
                        : page::CheckpointSlot::DecodeOfAny(slot_bytes, i);
    if (slot.has_value()) slots.push_back(*slot);
  }
  std::sort(slots.begin(), slots.end(),
            [](const auto& a, const auto& b) { return a.sequence > b.sequence; });
  const uint64_t file_pages = file_bytes / page_bytes;
  if (file_pages == 0) return SalvageResult{};
  const size_t minimum_bytes = file_pages * page_bytes + page::PageSource::kGuardBytes;
  ESPALIER_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::MapWithFallback(file, minimum_bytes, minimum_bytes, os::Access::kReadOnly, false));
  auto source = std::make_shared<page::PageSource>(std::move(mapping), page_bytes,
                                                   /*verify_checksums=*/true, path);
  return Salvager(std::move(source), file_pages, sink).Run(slots);
}

}  // namespace espalier::txn
