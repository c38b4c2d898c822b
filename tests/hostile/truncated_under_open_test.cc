// The file truncated under an open database: what would be SIGBUS becomes a status from the
// engine's calls. (A view that was handed out before may then read zeros; the tests do not touch
// such.)

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"

namespace espalier {
namespace {

using testing::MakeSample;
using testing::MemoryFile;
using testing::ReadEverything;
using testing::ReadResult;
using testing::Sample;
using testing::SmallMappingOptions;

struct Variant {
  bool all_was_read;  // before the file shrank
  bool separate_view;
  bool verify;
};

// At what sizes the file is cut: within the fixed area, and at every second page.
std::vector<uint64_t> Cuts(uint64_t file_bytes) {
  std::vector<uint64_t> cuts = {0, 1, 4096, 16384, 20480, 36864};
  for (uint64_t cut = 36864 + 4096; cut < file_bytes; cut += 8192) cuts.push_back(cut);
  cuts.push_back(file_bytes - 4096);
  cuts.push_back(file_bytes - 512);
  return cuts;
}

class TruncatedTest : public ::testing::TestWithParam<Variant> {
 protected:
  // For each cut: opens, does `before`, cuts, does `after`.
  void ForEachCut(const std::function<void(Database&)>& before,
                  const std::function<void(Database&, uint64_t cut)>& after) {
    for (const uint64_t cut : Cuts(sample_.image.size())) {
      SCOPED_TRACE(absl::StrCat("cut to ", cut, " of ", sample_.image.size(), " bytes"));
      alarm(60);
      MemoryFile file;
      file.SetContent(sample_.image);
      Options options = SmallMappingOptions();
      options.protect_from_stray_stores = GetParam().separate_view;
      options.verify_checksums = GetParam().verify;
      ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), options));
      if (GetParam().all_was_read) {
        ASSERT_EQ(ReadEverything(db, sample_.contents).wrong, "");
      }
      before(db);
      file.Resize(cut);
      after(db, cut);
      if (HasFatalFailure()) return;
    }
  }

  static bool IsDamage(const absl::Status& status) { return absl::IsDataLoss(status); }

  const Sample sample_ = MakeSample({.chunked_value = true});
};

TEST_P(TruncatedTest, Reading) {
  uint64_t damaged = 0;
  ForEachCut([](Database&) {},
             [&](Database& db, uint64_t cut) {
               const ReadResult result = ReadEverything(db, sample_.contents);
               EXPECT_EQ(result.wrong, "");
               damaged += result.damaged ? 1 : 0;
               if (cut <= 36864) {
                 EXPECT_TRUE(result.damaged);
               }
               // And once more, with the mark set.
               EXPECT_EQ(ReadEverything(db, sample_.contents).wrong, "");
             });
  EXPECT_GT(damaged, 5u);
}

TEST_P(TruncatedTest, EachReadingCallFirst) {
  // Which call meets the fault first must not matter.
  using Call = std::function<absl::Status(const ReadTransaction&, const Keyspace&)>;
  const std::vector<std::pair<const char*, Call>> calls = {
      {"Get",
       [](const auto& txn, const auto& keyspace) { return txn.Get(keyspace, "z").status(); }},
      {"Get, missing",
       [](const auto& txn, const auto& keyspace) { return txn.Get(keyspace, "zzz").status(); }},
      {"GetPart",
       [](const auto& txn, const auto& keyspace) {
         return txn.GetPart(keyspace, "user/", 0, 1).status();
       }},
      {"Contains",
       [](const auto& txn, const auto& keyspace) { return txn.Contains(keyspace, "z").status(); }},
      {"MultiGet",
       [](const auto& txn, const auto& keyspace) {
         const std::vector<std::string_view> keys = {"a", "user/", "z"};
         std::vector<std::optional<std::string_view>> values(keys.size());
         return txn.MultiGet(keyspace, keys, absl::MakeSpan(values));
       }},
      {"Count of a range",
       [](const auto& txn, const auto& keyspace) {
         return txn.Count(keyspace, KeyRange::From("user/1")).status();
       }},
      {"Rank",
       [](const auto& txn, const auto& keyspace) { return txn.Rank(keyspace, "z").status(); }},
      {"Select",
       [](const auto& txn, const auto& keyspace) { return txn.Select(keyspace, 5).status(); }},
      {"Scan",
       [](const auto& txn, const auto& keyspace) {
         Scan scan = txn.Scan(keyspace);
         for ([[maybe_unused]] const Entry& entry : scan) {
         }
         return scan.status();
       }},
      {"ListKeyspaces", [](const auto& txn, const auto&) { return txn.ListKeyspaces().status(); }},
      {"OpenKeyspace",
       [](const auto& txn, const auto&) { return txn.OpenKeyspace("wide").status(); }},
  };
  for (const auto& named_call : calls) {
    const char* const name = named_call.first;
    const Call& call = named_call.second;
    SCOPED_TRACE(name);
    ForEachCut([](Database&) {},
               [&](Database& db, uint64_t cut) {
                 ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db.BeginRead());
                 const absl::Status status = call(txn, db.default_keyspace());
                 // Everything lies behind the fixed area.
                 if (cut <= 36864) {
                   EXPECT_TRUE(IsDamage(status)) << status;
                 } else {
                   EXPECT_TRUE(status.ok() || absl::IsNotFound(status) || IsDamage(status))
                       << status;
                   if (absl::IsNotFound(status)) {
                     EXPECT_STREQ(name, "Get, missing");
                   }
                 }
               });
  }
}

TEST_P(TruncatedTest, BeforeAWriteTransaction) {
  ForEachCut([](Database&) {},
             [&](Database& db, uint64_t cut) {
               const auto put = db.Put(db.default_keyspace(), "user/1500", std::string(300, 'x'));
               if (cut <= 36864) {
                 EXPECT_TRUE(IsDamage(put.status())) << put.status();
               }
               EXPECT_TRUE(put.ok() || IsDamage(put.status())) << put.status();
               const absl::Status checkpoint = db.Checkpoint();
               EXPECT_TRUE(checkpoint.ok() || IsDamage(checkpoint)) << checkpoint;
               EXPECT_EQ(ReadEverything(db, {}).wrong.find("INTERNAL"), std::string::npos);
             });
}

TEST_P(TruncatedTest, WithinAWriteTransaction) {
  std::optional<WriteTransaction> txn;
  uint64_t failed = 0;
  ForEachCut(
      [&](Database& db) {
        txn.emplace(db.BeginWrite().value());
        const Keyspace keyspace = db.default_keyspace();
        for (int i = 0; i < 50; ++i) {
          ASSERT_THAT(txn->Put(keyspace, absl::StrCat("new", i), std::string(300, 'n')), IsOk());
        }
      },
      [&](Database& db, uint64_t cut) {
        const Keyspace keyspace = db.default_keyspace();
        absl::Status status;
        for (int i = 0; i < 50 && status.ok(); ++i) {
          status = txn->Put(keyspace, absl::StrCat("more", i), std::string(300, 'm'));
        }
        if (status.ok()) {
          status = txn->Delete(keyspace, "new7").status();
        }
        if (status.ok()) status = txn->Commit().status();
        EXPECT_TRUE(status.ok() || IsDamage(status)) << status;
        // The new pages lie behind all others.
        EXPECT_TRUE(IsDamage(status)) << "committed into a file of " << cut << " bytes";
        failed += status.ok() ? 0 : 1;
        txn.reset();
        const ReadResult result = ReadEverything(db, sample_.contents);
        EXPECT_EQ(result.wrong, "");
      });
  EXPECT_GT(failed, 5u);
}

// Append keeps its place in the last leaf from call to call; the leaf reads as zeros then.
TEST_P(TruncatedTest, BetweenAppends) {
  std::optional<WriteTransaction> txn;
  int next = 100;
  const auto append = [&](Database& db) {
    return txn->Append(db.default_keyspace(), absl::StrCat("zz", next++), std::string(100, 'z'));
  };
  ForEachCut(
      [&](Database& db) {
        txn.emplace(db.BeginWrite().value());
        next = 100;
        for (int i = 0; i < 80; ++i) ASSERT_THAT(append(db), IsOk());
      },
      [&](Database& db, uint64_t cut) {
        absl::Status status;
        for (int i = 0; i < 80 && status.ok(); ++i) status = append(db);
        if (status.ok()) status = txn->Commit().status();
        EXPECT_TRUE(IsDamage(status)) << "cut to " << cut << ": " << status;
        txn.reset();
        EXPECT_EQ(ReadEverything(db, sample_.contents).wrong, "");
      });
}

// A change that meets the fault and then outgrows its mapping: the new one shows a longer file and
// knows of no fault, but what was stored through the old one is lost.
TEST_P(TruncatedTest, WhileTheTransactionOutgrowsItsMapping) {
  uint64_t failed = 0;
  for (int round = 0; round < 800; ++round) {
    const int puts = round / 8;
    const int pages = 1 << round % 8;
    if (sample_.image.size() <= uint64_t{4096} * pages) continue;
    SCOPED_TRACE(absl::StrCat(pages, " pages less after ", puts, " puts"));
    MemoryFile file;
    file.SetContent(sample_.image);
    Options options = SmallMappingOptions();
    options.address_space_bytes = 1;
    options.protect_from_stray_stores = GetParam().separate_view;
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), options));
    const Keyspace keyspace = db.default_keyspace();
    WriteTransaction txn = db.BeginWrite().value();
    absl::Status status;
    const auto put = [&](int i) {
      return txn.Put(keyspace, absl::StrCat("key", i * 37 % 1000), std::string(1500, 'v'));
    };
    for (int i = 0; i < puts; ++i) ASSERT_THAT(put(i), IsOk());
    // The last pages, which the next put may or may not be about to use.
    file.Resize(file.size_bytes() - uint64_t{4096} * pages);
    status = put(puts);
    if (status.ok()) status = txn.Commit().status();
    EXPECT_TRUE(status.ok() || IsDamage(status)) << status;
    failed += status.ok() ? 0 : 1;
    if (!status.ok()) continue;
    // What says that it was committed is all there.
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction reader, db.BeginRead());
    Scan scan = reader.Scan(keyspace);
    EXPECT_EQ(static_cast<uint64_t>(std::distance(scan.begin(), scan.end())),
              sample_.contents.at("").size() + static_cast<uint64_t>(puts) + 1);
    EXPECT_THAT(scan.status(), IsOk());
  }
  EXPECT_GT(failed, 0u);
}

TEST_P(TruncatedTest, BeforeACheckpoint) {
  ForEachCut(
      [&](Database& db) {
        ASSERT_THAT(db.Put(db.default_keyspace(), "new", std::string(20000, 'n')), IsOk());
      },
      [&](Database& db, uint64_t) {
        // What was committed is gone: saying that it is durable would be a lie.
        const absl::Status checkpoint = db.Checkpoint();
        EXPECT_TRUE(IsDamage(checkpoint)) << checkpoint;
        // INV-9: later writes return that first error.
        EXPECT_TRUE(IsDamage(db.BeginWrite().status()));
        EXPECT_TRUE(IsDamage(db.Close()));
      });
}

TEST_P(TruncatedTest, VerifyCompactAndClose) {
  ForEachCut([](Database&) {},
             [&](Database& db, uint64_t cut) {
               const auto report = db.Verify();
               EXPECT_TRUE(report.ok() || IsDamage(report.status())) << report.status();
               if (report.ok()) {
                 EXPECT_FALSE(report->ok()) << "cut to " << cut;
               }
               const absl::Status compacted = db.Compact().status();
               EXPECT_TRUE(compacted.ok() || IsDamage(compacted)) << compacted;
               const absl::Status stats = db.GetStats().status();
               EXPECT_TRUE(stats.ok() || IsDamage(stats)) << stats;
               const absl::Status closed = db.Close();
               EXPECT_TRUE(closed.ok() || IsDamage(closed)) << closed;
             });
}

// The copy is whole, or there is none.
TEST_P(TruncatedTest, CopyTo) {
  uint64_t refused = 0;
  ForEachCut([](Database&) {},
             [&](Database& db, uint64_t) {
               const os::TempDir directory("/dev/shm");
               const std::string path = directory.File("copy.esp");
               const absl::Status copied = db.CopyTo(path);
               if (!copied.ok()) {
                 ++refused;
                 EXPECT_TRUE(IsDamage(copied)) << copied;
                 EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
                 return;
               }
               ESPALIER_ASSERT_OK_AND_ASSIGN(Database copy,
                                             Database::Open(path, SmallMappingOptions()));
               const ReadResult result = ReadEverything(copy, sample_.contents);
               EXPECT_EQ(result.wrong, "");
               EXPECT_FALSE(result.damaged);
             });
  EXPECT_GT(refused, 5u);
}

TEST_P(TruncatedTest, ACursorGoesOn) {
  std::optional<ReadTransaction> txn;
  std::optional<Cursor> cursor;
  ForEachCut(
      [&](Database& db) {
        txn.emplace(db.BeginRead().value());
        cursor.emplace(txn->OpenCursor(db.default_keyspace()).value());
        ASSERT_TRUE(cursor->First());
      },
      [&](Database&, uint64_t) {
        auto expected = sample_.contents.at("").begin();
        while (cursor->Next()) {
          ++expected;
          EXPECT_EQ(cursor->key(), expected->first);
          const auto value = cursor->value();
          EXPECT_TRUE(value.ok() || IsDamage(value.status())) << value.status();
        }
        EXPECT_TRUE(cursor->status().ok() || IsDamage(cursor->status())) << cursor->status();
        if (cursor->status().ok()) {
          EXPECT_EQ(++expected, sample_.contents.at("").end());
        }
        cursor.reset();
        txn.reset();
      });
}

INSTANTIATE_TEST_SUITE_P(Variants, TruncatedTest,
                         ::testing::Values(Variant{false, false, true}, Variant{true, false, true},
                                           Variant{true, true, true}, Variant{false, true, false}),
                         [](const auto& variant) {
                           return absl::StrCat(variant.param.all_was_read ? "AllRead" : "Fresh",
                                               variant.param.separate_view ? "TwoViews" : "OneView",
                                               variant.param.verify ? "" : "Unverified");
                         });

}  // namespace
}  // namespace espalier
