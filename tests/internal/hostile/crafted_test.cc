// Files made by somebody who knows the format and means harm, a case each: what a fuzzer would need
// luck for.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/mapping.h"
#include "engine/page/format.h"
#include "engine/page/large_ref.h"
#include "engine/page/node_builder.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"
#include "tests/internal/hostile/crafted_file.h"
#include "tests/internal/hostile/crafted_fixture.h"
#include "tests/internal/hostile/mutator.h"

namespace espalier {
namespace {

using page::ChildRef;
using page::InnerEntry;
using page::LargeRef;
using page::LeafEntry;
using testing::Bytes;
using testing::CraftedFile;
using testing::CraftedTest;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeSample;
using testing::Mutator;
using ::testing::Not;
using testing::ReadEverything;
using testing::Sample;
using testing::SmallMappingOptions;

std::string Encoded(const LargeRef& ref) {
  uint8_t encoded[LargeRef::kEncodedBytes];
  ref.Encode(encoded);
  return {reinterpret_cast<const char*>(encoded), sizeof(encoded)};
}

// So that the cases below prove something.
TEST_F(CraftedTest, ACraftedFileInOrderIsADatabase) {
  CraftedFile crafted;
  const LargeRef run = crafted.AddRun(std::string(70000, 'r'));
  const std::string payload = Encoded(run);
  const ChildRef left = crafted.AddLeaf({{"a", {"1"}}, {"b", {"2"}}});
  const ChildRef right = crafted.AddLeaf({{"n", {payload, false, true}}});
  crafted.SetDefaultKeyspace({crafted.AddInner(1, {{"", left, 2}, {"m", right, 1}}), 3, 2});
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
  const testing::Contents contents = {
      {"", {{"a", "1"}, {"b", "2"}, {"n", std::string(70000, 'r')}}}};
  EXPECT_EQ(ReadEverything(db, contents).wrong, "");
  EXPECT_FALSE(ReadEverything(db, contents).damaged);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
  EXPECT_THAT(report.problems, IsEmpty());
  ChangeEverything(db);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport after, db.Verify());
  EXPECT_THAT(after.problems, IsEmpty());
}

// Every page of the file in turn is in use, but free by the space map; and the other way round.
TEST_F(CraftedTest, SpaceMapThatLies) {
  const Sample sample = MakeSample();
  const Mutator mutator(sample.image);
  uint64_t map = 0;
  for (const uint64_t number : mutator.nodes()) {
    const uint8_t* const page = sample.image.data() + number * 4096;
    if (page::HeaderOf(page).kind() == page::Kind::kSpaceMapLeaf) map = number;
  }
  ASSERT_NE(map, 0u);
  for (uint64_t page = 0; page < sample.image.size() / 4096; ++page) {
    SCOPED_TRACE(absl::StrCat("page ", page));
    Bytes image = sample.image;
    image[map * 4096 + page::kHeaderBytes + page / 8] ^= static_cast<uint8_t>(1 << page % 8);
    mutator.Reseal(image);
    auto db = Open(image);
    if (!db.ok()) {
      EXPECT_THAT(db, StatusIs(absl::StatusCode::kDataLoss));
      continue;
    }
    EXPECT_EQ(ReadEverything(*db, sample.contents).wrong, "");
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db->Verify());
    EXPECT_THAT(report.problems, Not(IsEmpty()));
    ChangeEverything(*db);
  }
}

// A tree whose nodes' children are all the same one is exponentially large, and without entries
// there is nothing to stop at: First() never came back.
TEST_F(CraftedTest, ExponentialTreeWithoutEntries) {
  for (const bool with_entry : {false, true}) {
    SCOPED_TRACE(with_entry);
    CraftedFile crafted;
    const LeafEntry entry{"q", {"1"}};
    ChildRef child = crafted.AddLeaf(absl::MakeConstSpan(&entry, with_entry ? 1 : 0));
    for (uint32_t level = 1; level < 38; ++level) {
      std::vector<std::string> separators;
      std::vector<InnerEntry> entries;
      for (int i = 0; i < 60; ++i) separators.push_back(absl::StrCat(100 + i));
      for (int i = 0; i < 60; ++i) entries.push_back({separators[i], child, with_entry ? 1u : 0u});
      child = crafted.AddInner(level, entries);
    }
    crafted.SetDefaultKeyspace({child, 60, 38});
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    const Keyspace keyspace = db.default_keyspace();
    {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db.BeginRead());
      ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor cursor, txn.OpenCursor(keyspace));
      const auto expect_end = [&](bool found, auto step) {
        for (int i = 0; found && i < 1000000; ++i) found = step();
        EXPECT_FALSE(found);
        EXPECT_THAT(cursor.status(), StatusIs(absl::StatusCode::kDataLoss));
      };
      expect_end(cursor.First(), [&] { return cursor.Next(); });
      expect_end(cursor.Last(), [&] { return cursor.Prev(); });
      expect_end(cursor.SeekLowerBound("130"), [&] { return cursor.Next(); });
      expect_end(cursor.SeekForPrev("130"), [&] { return cursor.Prev(); });
      txn.Get(keyspace, "130").IgnoreError();
      txn.Rank(keyspace, "130").IgnoreError();
      txn.Select(keyspace, 30).IgnoreError();
    }
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_FALSE(report.ok());
    ChangeEverything(db);
    WriteTransaction txn = db.BeginWrite().value();
    txn.DeleteRange(keyspace, KeyRange::Between("130", "140")).IgnoreError();
    txn.DeleteRange(keyspace, KeyRange::All()).IgnoreError();
    txn.Commit().IgnoreError();
    db.Compact().IgnoreError();
    EXPECT_THAT(Salvage(file_.path(), [](auto...) { return absl::OkStatus(); }),
                Not(StatusIs(absl::StatusCode::kInternal)));
  }
}

// A page that is verified as a part of a large value is not verified as a node: a node may then
// claim to have 65,535 entries, which lie far outside of the mapping.
TEST_F(CraftedTest, NodeWithinALargeValue) {
  for (const uint32_t level : {0u, 1u}) {
    for (const uint64_t chunks : {1u, 2u}) {
      CraftedFile crafted;
      std::optional<ChildRef> evil;
      const LargeRef run =
          crafted.AddRun(std::string(chunks == 1 ? 5000 : 80000, '\0'), [&](uint8_t* bytes) {
            // The page is the next one; its number is known before it is there.
            page::Header& header = page::HeaderOf(bytes);
            const PageNumber number(page::FirstDataPage(CraftedFile::kPageBytes));
            header.identity = page::Header::MakeIdentity(
                number, level == 0 ? page::Kind::kLeaf : page::Kind::kInner, level);
            header.birth = CraftedFile::kVersion.value;
            header.entry_count = 65535;
            header.prefix_length = 0;
            evil = ChildRef::Make(number, CraftedFile::kVersion);
          });
      ASSERT_EQ(run.first_page, evil->number());
      const std::string payload = Encoded(run);
      ChildRef good = crafted.AddLeaf({{"a", {payload, false, true}}});
      if (level == 1) good = crafted.AddInner(1, {{"", good, 1}});
      crafted.SetDefaultKeyspace(
          {crafted.AddInner(level + 1, {{"", good, 1}, {"m", *evil, 1}}), 2, level + 2});
      Options options = SmallMappingOptions();
      options.address_space_bytes = 1;
      ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image(), options));
      const Keyspace keyspace = db.default_keyspace();
      ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db.BeginRead());
      ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view value, txn.Get(keyspace, "a"));
      EXPECT_GE(value.size(), 5000u);
      for (const std::string_view key : {std::string_view("m"), std::string_view("n\0\0\0\0x", 6),
                                         std::string_view("\xff\xff\xff\xff\xff\xff")}) {
        EXPECT_THAT(txn.Get(keyspace, key), StatusIs(absl::StatusCode::kDataLoss));
      }
      // And the other way round: a node is no verified part of a value. (It is part of one all the
      // same.)
      EXPECT_THAT(txn.Get(keyspace, "a"), IsOkAndHolds(value));
    }
  }
}

// A large value that claims to be written by the transaction that will come next: freeing it made
// pages free at once that a published version, or the very path of the writer, stood on.
TEST_F(CraftedTest, LargeValueFromTheFuture) {
  for (uint64_t birth = CraftedFile::kVersion.value; birth < CraftedFile::kVersion.value + 4;
       ++birth) {
    for (uint64_t target = 9; target < 14; ++target) {
      SCOPED_TRACE(absl::StrCat("birth ", birth, " of the run at page ", target));
      CraftedFile crafted;
      std::vector<std::string> keys;
      std::vector<LeafEntry> entries;
      LargeRef ref;
      ref.first_page = PageNumber(target);
      ref.value_bytes = ref.stored_bytes = 4000;
      ref.birth = Version(birth);
      const std::string payload = Encoded(ref);
      for (int i = 0; i < 50; ++i) keys.push_back(absl::StrCat("key", 100 + i));
      for (int i = 0; i < 50; ++i) entries.push_back({keys[i], {payload, false, true}});
      const ChildRef left = crafted.AddLeaf(entries);
      const ChildRef right = crafted.AddLeaf({{"x", {"1"}}});
      const ChildRef root = crafted.AddInner(1, {{"", left, 50}, {"x", right, 1}});
      crafted.SetDefaultKeyspace({root, 51, 2});
      ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
      const Keyspace keyspace = db.default_keyspace();
      ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction before, db.BeginRead());
      EXPECT_THAT(before.Get(keyspace, "x"), IsOkAndHolds("1"));
      {
        WriteTransaction txn = db.BeginWrite().value();
        for (int i = 0; i < 50; ++i) {
          txn.Put(keyspace, keys[i], std::string(60, 'p')).IgnoreError();
          txn.Put(keyspace, absl::StrCat("other", i), std::string(500, 'o')).IgnoreError();
        }
        txn.Commit().IgnoreError();
      }
      ChangeEverything(db);
      // INV-1: an open reader's version stays.
      EXPECT_THAT(before.Get(keyspace, "x"), IsOkAndHolds("1"));
    }
  }
}

// A leaf that says to be of the version that the next transaction makes would be changed in place,
// and freed at once.
TEST_F(CraftedTest, NodeFromTheFuture) {
  for (uint64_t birth = CraftedFile::kVersion.value + 1; birth < CraftedFile::kVersion.value + 5;
       ++birth) {
    SCOPED_TRACE(birth);
    CraftedFile crafted;
    const ChildRef leaf = crafted.AddLeaf({{"a", {"1"}}});
    page::HeaderOf(crafted.page(leaf)).birth = birth;
    crafted.SetDefaultKeyspace({ChildRef::Make(leaf.number(), Version(birth)), 1, 1});
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    const Keyspace keyspace = db.default_keyspace();
    for (int round = 0; round < 5; ++round) {
      WriteTransaction put = db.BeginWrite().value();
      put.Put(keyspace, "a", "uncommitted").IgnoreError();
      put.Rollback();
      WriteTransaction remove = db.BeginWrite().value();
      EXPECT_NE(remove.Get(keyspace, "a").value_or(""), "uncommitted");
      remove.Delete(keyspace, "a").IgnoreError();
      remove.Rollback();
      WriteTransaction create = db.BeginWrite().value();
      const auto other = create.CreateKeyspace(absl::StrCat("other", round));
      if (!other.ok()) continue;
      create.Put(*other, "b", "2").IgnoreError();
      create.Put(keyspace, "x", "3").IgnoreError();
      if (create.Commit().ok()) {
        EXPECT_THAT(db.Get(*other, "b"), IsOkAndHolds(std::string("2")));
        EXPECT_EQ(db.BeginRead()->ListKeyspaces().value().size(), round + 2u);
      }
    }
    ChangeEverything(db);
  }
}

// No run, and no pages to check: it was freed as one that took no room anywhere.
TEST_F(CraftedTest, LargeValueOfNoBytes) {
  for (const uint64_t target : {0u, 9u, 12u, 1000u}) {
    SCOPED_TRACE(target);
    CraftedFile crafted;
    LargeRef ref;
    ref.first_page = PageNumber(target);
    ref.birth = CraftedFile::kVersion;
    const std::string payload = Encoded(ref);
    crafted.SetDefaultKeyspace(
        {crafted.AddLeaf({{"a", {"1"}}, {"b", {payload, false, true}}}), 2, 1});
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    const Keyspace keyspace = db.default_keyspace();
    EXPECT_THAT(db.Get(keyspace, "b"), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(db.Put(keyspace, "b", "2"), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(db.Delete(keyspace, "b"), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(db.Get(keyspace, "a"), IsOkAndHolds("1"));
    ChangeEverything(db);
  }
}

// A large value in the page of the space map: both were freed, which counted a page as free twice.
TEST_F(CraftedTest, LargeValueInTheSpaceMap) {
  CraftedFile counted;
  counted.SetDefaultKeyspace({counted.AddLeaf({{"a", {"1"}}}), 1, 1});
  const uint64_t map = counted.Image().size() / CraftedFile::kPageBytes - 1;  // the last one added
  CraftedFile crafted;
  LargeRef ref;
  ref.first_page = PageNumber(map);
  ref.value_bytes = ref.stored_bytes = 4000;
  ref.birth = CraftedFile::kVersion;
  const std::string payload = Encoded(ref);
  crafted.SetDefaultKeyspace({crafted.AddLeaf({{"a", {payload, false, true}}}), 1, 1});
  for (const bool with_reader : {false, true}) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(crafted.Image()));
    const Keyspace keyspace = db.default_keyspace();
    std::optional<ReadTransaction> reader;
    if (with_reader) reader.emplace(db.BeginRead().value());
    EXPECT_THAT(db.Delete(keyspace, "a"), IsOkAndHolds(true));
    EXPECT_THAT(db.Checkpoint(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("space map")));
    reader.reset();
    ChangeEverything(db);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db.GetStats());
    EXPECT_LT(stats.free_pages, stats.file_bytes / CraftedFile::kPageBytes);
  }
}

// Leaves that a tree uses and the space map calls free: a writer of another keyspace overwrites
// them with nodes and large values under the cursors of the first. What these read is of no
// meaning, but must stay within bounds. (Under ASan: a key was copied by a length that it had a
// moment later.)
TEST_F(CraftedTest, PagesInUseAndFreeUnderAReader) {
  CraftedFile crafted;
  std::vector<std::string> keys;
  for (int i = 0; i < 60; ++i) keys.push_back(absl::StrCat("key", 100 + i, std::string(40, 'k')));
  std::vector<std::string> separators;
  std::vector<InnerEntry> children;
  for (int i = 0; i < 60; i += 5) separators.push_back(keys[i]);
  for (int i = 0; i < 60; i += 5) {
    std::vector<LeafEntry> entries;
    for (int j = i; j < i + 5; ++j) entries.push_back({keys[j], {"value"}});
    const ChildRef leaf = crafted.AddLeaf(entries);
    crafted.MarkFree(leaf.number());
    children.push_back(
        {i == 0 ? std::string_view() : std::string_view(separators[i / 5]), leaf, 5});
  }
  crafted.SetDefaultKeyspace({crafted.AddInner(1, children), 60, 2});
  const Bytes image = crafted.Image();
  const auto walk = [&](const auto& txn, const Keyspace& keyspace) {
    auto cursor = txn.OpenCursor(keyspace);
    if (!cursor.ok()) return;
    size_t bytes = 0;
    for (bool found = cursor->First(); found && bytes < 1000000; found = cursor->Next()) {
      bytes += cursor->key().size();
      const auto value = cursor->value();
      if (value.ok()) bytes += value->size();
    }
    for (const std::string& key : keys) txn.Get(keyspace, key).status().IgnoreError();
  };
  for (int round = 0; round < 5; ++round) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(image));
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace other, db.OpenOrCreateKeyspace("other"));
    std::atomic<bool> done = false;
    std::thread reader([&] {
      // Such a file makes a race of what is none otherwise; TSan would say so.
      while (!done && !os::kUnderThreadSanitizer) {
        const auto txn = db.BeginRead();
        if (txn.ok()) walk(*txn, db.default_keyspace());
      }
    });
    WriteTransaction txn = db.BeginWrite().value();
    auto cursor = txn.OpenWriteCursor(db.default_keyspace());
    if (cursor.ok()) cursor->First();
    for (int i = 0; i < 400; ++i) {
      std::string value(static_cast<size_t>(i % 7 == 0 ? 9000 : 30 * (i % 40)), '\xff');
      txn.Put(other, absl::StrCat(i * 7919 % 400, std::string(static_cast<size_t>(i % 90), 'p')),
              value)
          .IgnoreError();
      if (!cursor.ok()) continue;
      cursor->key();
      cursor->value().status().IgnoreError();
      if (!cursor->Next()) cursor->First();
    }
    txn.Commit().IgnoreError();
    done = true;
    reader.join();
    walk(db.BeginRead().value(), db.default_keyspace());
  }
}

// The same page twice in a tree, also as neighbours that are merged.
TEST_F(CraftedTest, ChildReferredToTwice) {
  CraftedFile crafted;
  const ChildRef twice = crafted.AddLeaf({{"a", {"1"}}, {"b", {"2"}}});
  const ChildRef root =
      crafted.AddInner(1, {{"", twice, 2}, {"c", twice, 2}, {"m", twice, 2}, {"t", twice, 2}});
  crafted.SetDefaultKeyspace({root, 8, 2});
  const Bytes image = crafted.Image();
  for (const char* const key : {"a", "b", "c", "d", "m", "n", "t", "z"}) {
    SCOPED_TRACE(key);
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Open(image));
    const Keyspace keyspace = db.default_keyspace();
    {
      WriteTransaction txn = db.BeginWrite().value();
      txn.Delete(keyspace, "a").IgnoreError();
      txn.Put(keyspace, key, "x").IgnoreError();
      txn.Delete(keyspace, key).IgnoreError();
      txn.DeleteRange(keyspace, KeyRange::Between("b", "n")).IgnoreError();
      txn.Commit().IgnoreError();
    }
    ChangeEverything(db);
  }
}

}  // namespace
}  // namespace espalier
