// Changes one tree within a write transaction: copies the path from the root to a leaf unless the
// transaction has done so already, changes the leaf, shares with a neighbour or splits what
// overflows, merges what underflows, and keeps the counts of entries in the inner nodes.
//
// Any error but kNotFound and kInvalidArgument may leave the tree half changed; the transaction
// must then be rolled back.
#ifndef ESPALIER_ENGINE_TREE_TREE_WRITER_H_
#define ESPALIER_ENGINE_TREE_TREE_WRITER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/page/format.h"
#include "engine/page/node_builder.h"
#include "engine/tree/page_writer.h"

namespace espalier::tree {

// A whole tree that is no longer part of another one.
struct DetachedTree {
  page::ChildRef ref;
  uint32_t level;
};

class TreeWriter {
 public:
  // Works on `root` in place, from Attach() on if it is null. All must outlive the writer.
  TreeWriter(PageWriter* pages, page::Arena* arena, page::TreeRoot* root)
      : pages_(pages), arena_(arena), root_(root) {}
  void Attach(page::TreeRoot* root) {
    root_ = root;
    at_end_ = false;
  }

  // What Seek() found.
  struct Place {
    bool exact;
    page::Payload payload;  // if exact; valid until the next change
  };

  // What becomes of the nodes above the leaf. Who is going to put in any case has them made
  // writable on the way: they are copied while the processor loads the next one.
  enum class Above { kUnchanged, kWritable };
  // Goes to where `key` is or would be; Put() and Remove() then act there.
  absl::StatusOr<Place> Seek(std::string_view key, Above above = Above::kUnchanged);
  // Goes behind the last entry. False if `key` is not greater than all keys.
  absl::StatusOr<bool> SeekEnd(std::string_view key);
  // A short cut for SeekEnd() and Put(), where the last Put() left the writer in the last leaf and
  // that has room. kNotHere says that the long way must be taken; it finds out of order what is.
  enum class Appended { kDone, kNotHere };
  Appended TryAppend(std::string_view key, const page::Payload& payload);

  // Where the tree has its last entry.
  struct LastLeaf {
    PageNumber number;
    uint32_t entries;
  };
  absl::StatusOr<LastLeaf> FindLastLeaf() const;

  // After a Seek to `key`: inserts the entry or replaces its payload. `key` and payload must not
  // lie in the tree's pages. Returns where the payload lies, for the caller to write in place.
  absl::StatusOr<uint8_t*> Put(std::string_view key, const page::Payload& payload);
  // After a Seek that was exact: the payload's bytes, to be overwritten with as many. What they
  // refer to stays.
  absl::StatusOr<uint8_t*> OverwriteInPlace();
  // After a Seek that was exact.
  absl::Status Remove();

  // Removes the entries with begin <= key < end (absent: to the end) and returns their number. What
  // lay wholly within the range is not freed but handed over.
  absl::StatusOr<uint64_t> RemoveRange(std::string_view begin, std::optional<std::string_view> end,
                                       std::vector<DetachedTree>& detached);

  // What Tidy() does to the children of one node.
  struct TidyOptions {
    uint32_t level;       // of the children
    bool repack;          // into fewer, full pages, where that saves some
    uint64_t page_limit;  // pages from here on are moved to where the allocator puts them
  };
  // Tidies the children of the node at `level` + 1 on the way to `from`. Returns the key at which
  // the next such node begins, or nothing after the last one.
  absl::StatusOr<std::optional<std::string>> Tidy(std::string_view from,
                                                  const TidyOptions& options);

  // Frees about `budget` pages of a detached tree, from its end; returns what is left of it, if
  // anything, and reduces the budget. What is damaged is passed over: its pages stay marked as
  // used.
  static absl::StatusOr<std::optional<DetachedTree>> FreePart(PageWriter& pages, DetachedTree tree,
                                                              uint64_t& budget);

 private:
  struct Step {
    page::ChildRef ref;
    const uint8_t* page;
    uint32_t index;  // of the child, or of the entry
  };
  // What is left of a node after RemoveRange; nothing if no entry is.
  struct Remainder {
    page::ChildRef ref;
    uint64_t entries;
  };
  struct Bounds {
    std::optional<std::string_view> begin;  // absent: all of the node from its start
    std::optional<std::string_view> end;
  };

  uint32_t top() const { return root_->height - 1; }
  uint8_t* writable(uint32_t level) const;
  bool AtRightEdge() const;
  absl::Status Descend(std::string_view key, Above above = Above::kUnchanged);
  // The steps from the root down to `lowest_level`.
  absl::Status MakePathWritable(uint32_t lowest_level = 0);
  absl::Status MakeWritable(uint32_t level);
  void AddToCounts(int64_t delta);
  // The path is writable and leads to the last entry.
  void StandAtEnd();
  bool IsFullFor(std::string_view key, const page::Payload& payload) const;

  absl::StatusOr<uint8_t*> PutInNewLastLeaf(std::string_view key, const page::Payload& payload);
  absl::StatusOr<uint8_t*> PutSlowly(std::string_view key, const page::Payload& payload,
                                     bool insert);
  absl::StatusOr<uint8_t*> ShareWithNeighbour(uint32_t index);
  absl::Status InsertChild(uint32_t level, std::string_view separator, page::ChildRef child,
                           uint64_t left_entries, uint64_t right_entries);
  absl::Status GrowRoot(std::string_view separator, page::ChildRef right, uint64_t left_entries,
                        uint64_t right_entries);

  absl::Status Rebalance(uint32_t level);
  absl::StatusOr<bool> MergeWithNeighbour(uint32_t level, uint32_t left_index);
  absl::Status ShrinkRoot();

  absl::StatusOr<std::optional<Remainder>> RemoveFromNode(page::ChildRef ref, uint32_t level,
                                                          const Bounds& bounds,
                                                          std::vector<DetachedTree>& detached);
  absl::StatusOr<std::optional<Remainder>> RemoveFromLeaf(page::ChildRef ref, const uint8_t* page,
                                                          const Bounds& bounds);
  absl::Status RebalanceAround(std::string_view key);

  absl::StatusOr<bool> Repack(uint32_t level);
  absl::Status MoveChildren(const TidyOptions& options);
  absl::Status MoveLargeValues(uint64_t page_limit);
  absl::StatusOr<uint64_t> EntriesBelow(page::ChildRef ref, uint32_t level);

  PageWriter* const pages_;
  page::Arena* const arena_;
  page::TreeRoot* root_;
  std::array<Step, page::kMaxHeight> path_{};  // by level, the leaf's at 0
  bool exact_ = false;                         // the last Seek's
  // The path is writable and leads to the last leaf, which is not empty.
  bool at_end_ = false;
  std::array<uint8_t*, page::kMaxHeight> end_counts_{};  // then: by level, where the counts are
  // Reused from call to call.
  std::vector<page::LeafEntry> leaf_entries_;
  std::vector<page::InnerEntry> inner_entries_;
};

// Frees the run that an entry's payload refers to, if it does.
absl::Status FreeLarge(PageWriter& pages, const page::Payload& payload);

}  // namespace espalier::tree

#endif  // ESPALIER_ENGINE_TREE_TREE_WRITER_H_
