// Builds a database file page by page, with whatever content, and its checksums right.
//
//   CraftedFile file;
//   const ChildRef leaf = file.AddLeaf({{"key", {"value"}}});
//   file.SetDefaultKeyspace({leaf, 1, 1});
//   Bytes image = file.Image();

#ifndef ESPALIER_TESTS_INTERNAL_HOSTILE_CRAFTED_FILE_H_
#define ESPALIER_TESTS_INTERNAL_HOSTILE_CRAFTED_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/page/checkpoint_slot.h"
#include "engine/page/format.h"
#include "engine/page/large_ref.h"
#include "engine/page/node_builder.h"
#include "tests/hostile/memory_file.h"

namespace espalier::testing {

class CraftedFile {
 public:
  static constexpr uint32_t kPageBytes = 4096;
  // Of every page that is added, and of the slots.
  static constexpr Version kVersion{7};

  CraftedFile();

  // Fresh pages at the end of the file.
  page::ChildRef AddLeaf(absl::Span<const page::LeafEntry> entries);
  page::ChildRef AddInner(uint32_t level, absl::Span<const page::InnerEntry> entries);
  // A run that is in order, or what `break_it` makes of its bytes before they are sealed.
  page::LargeRef AddRun(const std::string& value,
                        const std::function<void(uint8_t*)>& break_it = {});

  // The page's bytes; sealed by Image().
  uint8_t* page(page::ChildRef ref);

  void SetDefaultKeyspace(const page::TreeRoot& root);

  // Both slots alike but for their sequence.
  page::CheckpointSlot& slot() { return slot_; }

  // Whether the space map has the page in use; every page that was added is, to begin with.
  void MarkFree(PageNumber page);

  // The file with catalogue, space map, superblock and slots.
  Bytes Image();

 private:
  PageNumber AddPages(uint64_t count);
  page::ChildRef AddNode(page::Kind kind, uint32_t level);
  uint8_t* bytes(PageNumber page) { return image_.data() + page.value * kPageBytes; }

  Bytes image_;
  std::vector<PageNumber> nodes_;
  std::vector<PageNumber> free_;
  page::TreeRoot keyspace_;
  page::CheckpointSlot slot_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_INTERNAL_HOSTILE_CRAFTED_FILE_H_
