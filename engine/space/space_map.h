// The space map: the bitmap of the pages that a checkpoint's version reaches, itself included, in
// the file. It is a radix tree over page numbers, written copy-on-write at checkpoints and in its
// changed parts only.
//
//   leaf  (kind 3, level 0): page header, then one bit a page, least significant bit first
//   inner (kind 4, level 1 and up): page header, then child references of 8 bytes; null past the
//   last
//         page in use
//
// The root's level is the height less one. A leaf covers (page size - 32) * 8 pages.
#ifndef ESPALIER_ENGINE_SPACE_SPACE_MAP_H_
#define ESPALIER_ENGINE_SPACE_SPACE_MAP_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/bitmap.h"
#include "engine/base/types.h"
#include "engine/page/format.h"
#include "engine/page/page_source.h"
#include "engine/space/page_allocator.h"

namespace espalier::space {

// Needs the writer's lock.
class SpaceMap {
 public:
  explicit SpaceMap(uint32_t page_bytes);

  // Reads the map of a checkpoint: returns the bitmap, of `page_count` bits. kDataLoss for a map
  // that is damaged or names pages past the end.
  absl::StatusOr<Bitmap> Load(const page::PageReader& reader, page::ChildRef root, uint32_t height,
                              uint64_t page_count);

  // Writes what changed since the last call into fresh pages born at `version`, the allocator's
  // running one, and frees the pages that they replace. Afterwards the map names exactly
  // allocator.reachable(). `finish` is called when all is written, and may throw for want of
  // memory. After that, or an error, the map is as before; the caller rolls the allocator back.
  absl::Status Rewrite(
      PageAllocator& allocator, Version version,
      absl::FunctionRef<absl::Status()> finish = [] { return absl::OkStatus(); });

  // Lets the next Rewrite() write all of the map, to wherever the allocator puts it.
  void MarkAllChanged();

  page::ChildRef root() const;
  uint32_t height() const { return static_cast<uint32_t>(levels_.size()); }
  // The pages of the map itself.
  std::vector<PageNumber> Pages() const;

 private:
  struct Node {
    page::ChildRef ref;
    Version birth{0};
    bool changed = false;
  };

  uint64_t bits_per_leaf() const { return uint64_t{page_bytes_ - page::kHeaderBytes} * 8; }
  uint64_t refs_per_inner() const { return (page_bytes_ - page::kHeaderBytes) / 8; }
  // More levels than this have more leaves than there are page numbers.
  static constexpr uint32_t kMaxHeight = 6;

  absl::Status LoadNode(const page::PageReader& reader, page::ChildRef ref, uint32_t level,
                        uint64_t index, Bitmap& visited, Bitmap& pages);
  absl::Status RewriteChanged(PageAllocator& allocator, Version version);
  void SizeLevels(uint64_t page_count);
  absl::Status FreeNodesPastTheEnd(PageAllocator& allocator);
  // kDataLoss if something else, which a damaged file has in the same page, freed it before.
  static absl::Status FreeNode(PageAllocator& allocator, const Node& node);
  void MarkChanged(uint64_t leaf);
  void WriteLeaf(const Bitmap& reachable, uint64_t index, uint8_t* page) const;
  void WriteInner(uint32_t level, uint64_t index, uint8_t* page) const;

  const uint32_t page_bytes_;
  // levels_[0] are the leaves; the last level is the root alone.
  std::vector<std::vector<Node>> levels_;
  // Nodes of a map that covered more pages once, to be freed.
  std::vector<Node> past_the_end_;
};

}  // namespace espalier::space

#endif  // ESPALIER_ENGINE_SPACE_SPACE_MAP_H_
