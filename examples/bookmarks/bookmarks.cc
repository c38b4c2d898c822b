#include "examples/bookmarks/bookmarks.h"

#include <utility>

namespace bookmarks {
namespace {

constexpr size_t kSecondsBytes = 8;

// Big-endian, so that keys sort by time.
std::string HistoryKey(uint64_t seconds, std::string_view url) {
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(seconds >> shift));
  return key.append(url);
}

std::string TagKey(std::string_view tag, std::string_view url) {
  return std::string(tag).append(1, '\0').append(url);
}

}  // namespace

absl::StatusOr<Bookmarks> Bookmarks::Open(espalier::Database* db) {
  Bookmarks bookmarks;
  for (const auto& [name, keyspace] :
       {std::pair("pages", &bookmarks.pages_), std::pair("tags", &bookmarks.tags_),
        std::pair("history", &bookmarks.history_)}) {
    absl::StatusOr<espalier::Keyspace> opened = db->OpenOrCreateKeyspace(name);
    if (!opened.ok()) return opened.status();
    *keyspace = *opened;
  }
  return bookmarks;
}

absl::Status Bookmarks::Add(espalier::WriteTransaction& txn, const Bookmark& bookmark) const {
  std::string page = bookmark.title;
  for (const std::string& tag : bookmark.tags) page.append(1, '\n').append(tag);
  absl::StatusOr<bool> added = txn.PutIfAbsent(pages_, bookmark.url, page);
  if (!added.ok()) return added.status();
  if (!*added) return absl::AlreadyExistsError("there is a bookmark of " + bookmark.url);

  absl::Status status = txn.Put(history_, HistoryKey(bookmark.added_seconds, bookmark.url), "");
  for (const std::string& tag : bookmark.tags) {
    status.Update(txn.Put(tags_, TagKey(tag, bookmark.url), ""));
  }
  return status;
}

absl::StatusOr<uint64_t> Bookmarks::Count(const espalier::Transaction& txn) const {
  return txn.Count(pages_);
}

absl::StatusOr<uint64_t> Bookmarks::CountTagged(const espalier::Transaction& txn,
                                                std::string_view tag) const {
  return txn.Count(tags_, espalier::KeyRange::Prefix(TagKey(tag, "")));
}

absl::StatusOr<std::vector<std::string>> Bookmarks::Tagged(const espalier::Transaction& txn,
                                                           std::string_view tag) const {
  std::vector<std::string> urls;
  const std::string prefix = TagKey(tag, "");
  espalier::Scan scan = txn.Scan(tags_, espalier::KeyRange::Prefix(prefix));
  for (const espalier::Entry& entry : scan) urls.emplace_back(entry.key.substr(prefix.size()));
  // A damaged page ends the loop early: an error must not look like the end of the list.
  if (!scan.status().ok()) return scan.status();
  return urls;
}

absl::StatusOr<std::vector<std::string>> Bookmarks::Newest(const espalier::Transaction& txn,
                                                           size_t limit) const {
  std::vector<std::string> urls;
  espalier::Scan scan = txn.ReverseScan(history_);
  for (const espalier::Entry& entry : scan) {
    if (urls.size() == limit) break;
    urls.emplace_back(entry.key.substr(kSecondsBytes));
  }
  if (!scan.status().ok()) return scan.status();
  return urls;
}

absl::StatusOr<std::vector<std::string>> Bookmarks::List(const espalier::Transaction& txn,
                                                         uint64_t offset, size_t limit) const {
  std::vector<std::string> urls;
  absl::StatusOr<espalier::Cursor> cursor = txn.Select(pages_, offset);
  if (absl::IsOutOfRange(cursor.status())) return urls;
  if (!cursor.ok()) return cursor.status();
  for (; cursor->Valid() && urls.size() < limit; cursor->Next()) urls.emplace_back(cursor->key());
  if (!cursor->status().ok()) return cursor->status();
  return urls;
}

absl::StatusOr<uint64_t> Bookmarks::PlaceOf(const espalier::Transaction& txn,
                                            std::string_view url) const {
  return txn.Rank(pages_, url);
}

}  // namespace bookmarks
