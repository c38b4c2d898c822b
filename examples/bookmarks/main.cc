// Fills a store of bookmarks, asks it questions while it goes on changing, and makes it durable.
//
//   bazel run //examples/bookmarks -- /tmp/bookmarks.esp
#include <initializer_list>
#include <iostream>

#include "examples/bookmarks/bookmarks.h"

namespace bookmarks {
namespace {

// All of them, or none.
absl::Status AddAll(espalier::Database& db, const Bookmarks& bookmarks,
                    std::initializer_list<Bookmark> list) {
  absl::StatusOr<espalier::WriteTransaction> txn = db.BeginWrite();
  if (!txn.ok()) return txn.status();
  for (const Bookmark& bookmark : list) {
    if (absl::Status status = bookmarks.Add(*txn, bookmark); !status.ok()) return status;
  }
  return txn->Commit().status();
}

absl::Status Print(std::string_view title, const absl::StatusOr<std::vector<std::string>>& urls) {
  if (!urls.ok()) return urls.status();
  std::cout << title << "\n";
  for (const std::string& url : *urls) std::cout << "  " << url << "\n";
  return absl::OkStatus();
}

absl::Status PrintCounts(std::string_view when, const espalier::Transaction& txn,
                         const Bookmarks& bookmarks) {
  const absl::StatusOr<uint64_t> all = bookmarks.Count(txn);
  if (!all.ok()) return all.status();
  const absl::StatusOr<uint64_t> fruit = bookmarks.CountTagged(txn, "fruit");
  if (!fruit.ok()) return fruit.status();
  std::cout << "version " << txn.version() << ", " << when << ": " << *all << " bookmarks, "
            << *fruit << " of them about fruit\n";
  return absl::OkStatus();
}

absl::Status Report(const espalier::Transaction& txn, const Bookmarks& bookmarks) {
  absl::Status status = Print("about fruit:", bookmarks.Tagged(txn, "fruit"));
  status.Update(Print("the two newest:", bookmarks.Newest(txn, 2)));
  status.Update(Print("third and fourth of the list:", bookmarks.List(txn, 2, 2)));
  if (!status.ok()) return status;
  constexpr std::string_view kUrl = "https://example.org/pears";
  const absl::StatusOr<uint64_t> place = bookmarks.PlaceOf(txn, kUrl);
  if (!place.ok()) return place.status();
  std::cout << "before " << kUrl << " in the list: " << *place << "\n";
  return absl::OkStatus();
}

absl::Status Run(const std::string& path) {
  absl::StatusOr<espalier::Database> db = espalier::Database::Open(path);
  if (!db.ok()) return db.status();
  const absl::StatusOr<Bookmarks> bookmarks = Bookmarks::Open(&*db);
  if (!bookmarks.ok()) return bookmarks.status();

  absl::Status status =
      AddAll(*db, *bookmarks,
             {{"https://example.org/apples", "Apples", {"fruit"}, 1700000000},
              {"https://example.org/pears", "Pears", {"fruit", "espalier"}, 1700000100},
              {"https://example.org/walls", "Garden walls", {"espalier"}, 1700000200}});
  if (!status.ok()) return status;

  {
    // A reader sees one version for as long as it lives, whatever the writer does meanwhile.
    const absl::StatusOr<espalier::ReadTransaction> before = db->BeginRead();
    if (!before.ok()) return before.status();
    status = AddAll(*db, *bookmarks,
                    {{"https://example.org/figs", "Figs", {"fruit"}, 1700000300},
                     {"https://example.org/quinces", "Quinces", {"fruit"}, 1700000400}});
    if (!status.ok()) return status;
    const absl::StatusOr<espalier::ReadTransaction> after = db->BeginRead();
    if (!after.ok()) return after.status();
    status.Update(PrintCounts("the reader from before", *before, *bookmarks));
    status.Update(PrintCounts("a new reader", *after, *bookmarks));
    status.Update(Report(*after, *bookmarks));
    if (!status.ok()) return status;
  }  // transactions end, and with them what they pin

  // Visible is not durable: what was committed after the last checkpoint is gone after a crash.
  if (status = db->Checkpoint(); !status.ok()) return status;
  const absl::StatusOr<espalier::Stats> stats = db->GetStats();
  if (!stats.ok()) return stats.status();
  std::cout << "durable: version " << stats->checkpoint_version << " of " << stats->newest_version
            << "\n";
  return db->Close();
}

}  // namespace
}  // namespace bookmarks

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: bookmarks FILE\n";
    return 2;
  }
  const absl::Status status = bookmarks::Run(argv[1]);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
