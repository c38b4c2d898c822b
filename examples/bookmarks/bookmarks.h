// Bookmarks with tags: how a service keeps a table and its indexes in step with Espalier.
//
// Each is a keyspace, and one transaction changes all three or none:
//
//   keyspace    key                                value
//   "pages"     URL                                title, then each tag after a '\n'
//   "tags"      tag, '\0', URL                     (empty)
//   "history"   seconds (8 bytes, big-endian), URL (empty)
//
// What reads takes the transaction to read in, so that several answers can come from one version,
// and from a write transaction, too.
#ifndef ESPALIER_EXAMPLES_BOOKMARKS_BOOKMARKS_H_
#define ESPALIER_EXAMPLES_BOOKMARKS_BOOKMARKS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "espalier/espalier.h"

namespace bookmarks {

struct Bookmark {
  std::string url;
  std::string title;
  std::vector<std::string> tags;  // without '\0' and '\n', as is the title
  uint64_t added_seconds = 0;     // since 1970
};

class Bookmarks {
 public:
  // Makes the keyspaces if they are not there. `db` must outlive this.
  static absl::StatusOr<Bookmarks> Open(espalier::Database* db);

  absl::Status Add(espalier::WriteTransaction& txn, const Bookmark& bookmark) const;

  absl::StatusOr<uint64_t> Count(const espalier::Transaction& txn) const;
  // Without looking at each of them.
  absl::StatusOr<uint64_t> CountTagged(const espalier::Transaction& txn,
                                       std::string_view tag) const;
  // The URLs, in their order.
  absl::StatusOr<std::vector<std::string>> Tagged(const espalier::Transaction& txn,
                                                  std::string_view tag) const;
  // The URLs added last, the newest first.
  absl::StatusOr<std::vector<std::string>> Newest(const espalier::Transaction& txn,
                                                  size_t limit) const;
  // One page of the list of all URLs: `limit` of them, those before `offset` not even looked at.
  absl::StatusOr<std::vector<std::string>> List(const espalier::Transaction& txn, uint64_t offset,
                                                size_t limit) const;
  // The place of a URL in that list.
  absl::StatusOr<uint64_t> PlaceOf(const espalier::Transaction& txn, std::string_view url) const;

 private:
  espalier::Keyspace pages_;
  espalier::Keyspace tags_;
  espalier::Keyspace history_;
};

}  // namespace bookmarks

#endif  // ESPALIER_EXAMPLES_BOOKMARKS_BOOKMARKS_H_
