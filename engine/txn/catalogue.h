// The catalogue is a tree of its own that names the other trees. Its root is what a version is,
// together with the root of one keyspace, of which the catalogue may have an older record: it need
// not change with every commit.
//
//   key                          value
//   'k', keyspace id (8 bytes)   root reference (8), entries (8), height (4), compress-from (4),
//   name 'n', name                    keyspace id (8) 'd', number (8 bytes)        root reference
//   (8), level (4): a tree whose pages are still to be freed
//
// Numbers in keys are big-endian, in values little-endian. Keyspace 0, with the empty name, is the
// default one; it has no records until something is put into it.
#ifndef ESPALIER_ENGINE_TXN_CATALOGUE_H_
#define ESPALIER_ENGINE_TXN_CATALOGUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/page/format.h"
#include "engine/page/leaf.h"
#include "engine/page/page_source.h"
#include "engine/tree/tree_writer.h"

namespace espalier::txn {

inline constexpr uint64_t kDefaultKeyspaceId = 0;
inline constexpr size_t kMaxKeyspaceNameBytes = 500;

struct KeyspaceRecord {
  page::TreeRoot root;
  uint32_t compress_from = 0;
};

struct NamedKeyspace {
  uint64_t id;
  std::string name;
  KeyspaceRecord record;
};

struct DetachedRecord {
  uint64_t number;
  tree::DetachedTree tree;
};

// For salvage: the record if this is one of a keyspace and sound.
std::optional<NamedKeyspace> DecodeKeyspace(std::string_view key, std::string_view value);
// For salvage: whether a leaf is one of a catalogue, as far as can be told; never for want of
// better knowledge.
bool LooksLikeCatalogue(const page::Leaf& leaf);

// Reads the catalogue of one version.
class CatalogueReader {
 public:
  CatalogueReader(const page::PageReader& reader, const page::TreeRoot& root)
      : reader_(reader), root_(root) {}

  // kNotFound without a message when there is no such keyspace; the default one is always there.
  absl::StatusOr<KeyspaceRecord> FindById(uint64_t id) const;
  absl::StatusOr<uint64_t> FindByName(std::string_view name) const;
  absl::StatusOr<std::string> NameOf(uint64_t id) const;
  // In the order of names, the default keyspace first.
  absl::StatusOr<std::vector<NamedKeyspace>> List() const;
  // The detached trees with the lowest numbers, `limit` at the most.
  absl::StatusOr<std::vector<DetachedRecord>> Detached(size_t limit) const;

 private:
  absl::StatusOr<NamedKeyspace> Find(uint64_t id) const;

  const page::PageReader& reader_;
  const page::TreeRoot& root_;
};

// Changes the catalogue within a write transaction.
class CatalogueWriter {
 public:
  CatalogueWriter(tree::PageWriter* pages, page::Arena* arena, page::TreeRoot* root)
      : writer_(pages, arena, root) {}

  absl::Status PutKeyspace(const NamedKeyspace& keyspace);
  absl::Status PutName(std::string_view name, uint64_t id);
  absl::Status RemoveKeyspace(uint64_t id);
  absl::Status RemoveName(std::string_view name);
  absl::Status PutDetached(const DetachedRecord& record);
  absl::Status RemoveDetached(uint64_t number);

 private:
  absl::Status Put(std::string_view key, std::string_view value);
  absl::Status Remove(std::string_view key);

  tree::TreeWriter writer_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_CATALOGUE_H_
