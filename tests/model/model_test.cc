// Random operations on a database and on a reference model, compared all the time: for each page
// size and each shape of keys. The whole test is repeated by its seed; $ESPALIER_MODEL_ROUNDS sets
// how long each case goes on.
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "tests/model/model.h"
#include "tests/model/reading.h"
#include "tests/model/writing.h"
#include "tests/support/random_data.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

int Rounds() {
  const char* const chosen = std::getenv("ESPALIER_MODEL_ROUNDS");
  return chosen != nullptr ? std::atoi(chosen) : 60;
}

struct Case {
  uint32_t page_bytes;
  KeyShape shape;
};

class ModelTest : public ::testing::TestWithParam<Case> {
 protected:
  ModelTest()
      : random_(TestSeed() * 1000003 + GetParam().page_bytes * 8 +
                static_cast<uint64_t>(GetParam().shape)),
        db_(MakeOptions(random_),
            OneIn(random_, 4) ? TestDatabase::Where::kMemory : TestDatabase::Where::kFile),
        pool_(GetParam().shape, PoolKeys(), db_->MaxKeyBytes(), random_) {
    model_[0].handle = db_.keyspace();
  }

  static Options MakeOptions(Random& random) {
    Options options;
    options.page_size_bytes = GetParam().page_bytes;
    options.verify_checksums = !OneIn(random, 8);
    options.protect_from_stray_stores = OneIn(random, 4);
    // It goes round, and has much that is replayed where the process dies.
    if (!OneIn(random, 4)) options.log_size_bytes = 1 << 20;
    if (!OneIn(random, 4)) options.durability = Durability::kAsync;
    // Soon outgrown.
    if (OneIn(random, 4)) options.address_space_bytes = (1 << 20) + Below(random, 1 << 20);
    return options;
  }
  static size_t PoolKeys() {
    const bool long_keys =
        GetParam().shape != KeyShape::kShort && GetParam().shape != KeyShape::kBinary;
    return long_keys ? 400 : 1500;
  }

  void DoRound();
  void WriteSomething();
  void UseConvenienceCalls();
  void ReadSnapshots();
  void EndSnapshot();
  void Reopen();
  void DieAndRecover();
  // Has the keyspaces under the same ids, with the same contents.
  void ExpectSameIn(Database& db, Model& model) const;
  void CopyAndCompare();
  void CompareStats();

  struct Snapshot {
    ReadTransaction txn;
    Model model;
  };

  static constexpr size_t kMaxValueBytes = size_t{3} << 20;

  Random random_;
  TestDatabase db_;
  KeyPool pool_;
  Model model_;
  std::deque<Snapshot> snapshots_;
  int copies_ = 0;
};

void ModelTest::DoRound() {
  switch (Below(random_, 64)) {
    case 0:
    case 1:
    case 2:
      return Reopen();
    case 3: {
      const absl::StatusOr<CompactResult> result = db_->Compact();
      ESPALIER_ASSERT_OK(result);
      // Some pages of its own: catalogue and space map, twice.
      if (snapshots_.empty()) {
        EXPECT_LE(result->file_bytes_after, result->file_bytes_before + 8 * GetParam().page_bytes);
      }
      return;
    }
    case 4:
      return CopyAndCompare();
    case 5:
    case 6:
      return db_.Verify();
    case 7:
    case 8:
    case 9:
    case 10:
      ESPALIER_ASSERT_OK(db_->Checkpoint());
      return;
    case 11:
    case 12:
    case 13:
    case 14: {
      if (snapshots_.size() >= 5) return EndSnapshot();
      ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
      snapshots_.push_back({std::move(txn), model_});
      return;
    }
    case 15:
    case 16:
      return EndSnapshot();
    case 17:
    case 18:
      return CompareStats();
    case 19:
    case 20:
    case 21:
      return UseConvenienceCalls();
    case 22:
    case 23:
    case 24:
      return ReadSnapshots();
    default:
      return WriteSomething();
  }
}

void ModelTest::WriteSomething() {
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
  Model changed = model_;
  // The object, and with it its cursors, sometimes goes after the transaction.
  Writing writing(&txn, &changed, &pool_, &random_, GetParam().page_bytes, kMaxValueBytes);
  const uint64_t operations = OneIn(random_, 8) ? Below(random_, 400) : Below(random_, 40);
  for (uint64_t i = 0; i < operations; ++i) {
    writing.DoSomething();
    ASSERT_FALSE(HasFailure()) << "after " << writing.last();
  }
  if (OneIn(random_, 12)) {
    ASSERT_TRUE(Same(txn, changed));
  }
  switch (Below(random_, 8)) {
    case 0:
      txn.Rollback();
      break;
    case 1:
      break;  // goes without a word
    default: {
      const uint64_t version = txn.version();
      const absl::StatusOr<CommitToken> token = txn.Commit();
      ESPALIER_ASSERT_OK(token);
      EXPECT_LE(token->version, version);  // the version before, when nothing changed
      model_ = std::move(changed);
    }
  }
}

void ModelTest::UseConvenienceCalls() {
  ModelKeyspace& keyspace = model_.at(0);
  const std::string& key = pool_.Pick(random_);
  const std::string value = RandomValue(random_, GetParam().page_bytes, kMaxValueBytes);
  ESPALIER_ASSERT_OK(db_->Put(keyspace.handle, key, value));
  keyspace.Put(key, value);
  EXPECT_THAT(db_->Get(keyspace.handle, key), IsOkAndHolds(value));
  EXPECT_THAT(db_->Count(keyspace.handle), IsOkAndHolds(keyspace.entries.size()));
  const std::string& other = pool_.Pick(random_);
  const bool exists = keyspace.entries.erase(Bytes(other)) > 0;
  EXPECT_THAT(db_->Delete(keyspace.handle, other), IsOkAndHolds(exists));
}

void ModelTest::ReadSnapshots() {
  for (Snapshot& snapshot : snapshots_) {
    for (int i = 0; i < 8; ++i) {
      const auto keyspace =
          std::next(snapshot.model.begin(),
                    static_cast<std::ptrdiff_t>(Below(random_, snapshot.model.size())));
      ReadSomething(snapshot.txn, keyspace->second, pool_, random_);
      if (HasFailure()) return;
    }
  }
}

void ModelTest::EndSnapshot() {
  if (snapshots_.empty()) return;
  const auto chosen =
      snapshots_.begin() + static_cast<std::ptrdiff_t>(Below(random_, snapshots_.size()));
  ASSERT_TRUE(Same(chosen->txn, chosen->model));
  snapshots_.erase(chosen);
}

void ModelTest::Reopen() {
  if (db_.in_memory()) return;
  while (!snapshots_.empty()) ASSERT_NO_FATAL_FAILURE(EndSnapshot());
  if (OneIn(random_, 3)) {
    db_.Reopen();
  } else {
    ASSERT_NO_FATAL_FAILURE(DieAndRecover());
  }
  ExpectSameIn(*db_, model_);
}

// As the next process finds the files of one that was killed.
void ModelTest::DieAndRecover() {
  {
    // With a transaction that is open, the handle is not closed in order.
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction open, db_->BeginRead());
    db_.Forget();
  }
  if (OneIn(random_, 3)) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database reading,
                                  Database::Open(db_.path(), {.read_only = true}));
    Model expected = model_;
    ExpectSameIn(reading, expected);
  }
  db_.Open();
  if (OneIn(random_, 3)) db_.Verify();
}

void ModelTest::ExpectSameIn(Database& db, Model& model) const {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db.BeginRead());
  for (auto& [id, keyspace] : model) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(keyspace.handle, txn.OpenKeyspace(keyspace.name));
    EXPECT_EQ(keyspace.handle.id(), id);
  }
  ASSERT_TRUE(Same(txn, model));
}

void ModelTest::CopyAndCompare() {
  const std::string path = db_.PathBeside(absl::StrCat("copy", copies_++));
  ESPALIER_ASSERT_OK(db_->CopyTo(path));
  EXPECT_THAT(db_->CopyTo(path), StatusIs(absl::StatusCode::kAlreadyExists));
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database copy, Database::Open(path));
  EXPECT_EQ(VerifyProblems(copy), "");
  {
    // Its keyspaces have ids of their own.
    ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, copy.BeginRead());
    Model expected;
    for (const auto& [id, keyspace] : model_) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace handle, txn.OpenKeyspace(keyspace.name));
      expected[handle.id()] = {keyspace.name, handle, keyspace.options, keyspace.entries};
    }
    ASSERT_TRUE(Same(txn, expected));
  }
  ESPALIER_EXPECT_OK(copy.Close());
}

void ModelTest::CompareStats() {
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db_->GetStats());
  uint64_t entries = 0;
  for (const auto& [id, keyspace] : model_) entries += keyspace.entries.size();
  EXPECT_EQ(stats.entries, entries);
  EXPECT_EQ(stats.keyspaces, model_.size());
  EXPECT_EQ(stats.page_size_bytes, GetParam().page_bytes);
  EXPECT_EQ(stats.readers.size(), snapshots_.size());
  EXPECT_EQ(
      (stats.reachable_pages + stats.waiting_pages + stats.free_pages + stats.reserved_pages) *
          stats.page_size_bytes,
      stats.file_bytes);
  EXPECT_LE(stats.checkpoint_version, stats.newest_version);
}

TEST_P(ModelTest, DatabaseAgreesWithReference) {
  const int rounds = Rounds();
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    ASSERT_NO_FATAL_FAILURE(DoRound());
    if (HasFailure()) return;
  }
  while (!snapshots_.empty()) ASSERT_NO_FATAL_FAILURE(EndSnapshot());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db_->BeginRead());
  ASSERT_TRUE(Same(txn, model_));
}

// One byte that is not what was put must not pass: a stray store through a view stands for a broken
// engine.
TEST(ModelCanaryTest, ChangedByteIsNoticed) {
  TestDatabase db(Options{}, TestDatabase::Where::kMemory);
  Model model;
  ModelKeyspace& keyspace = model[0];
  keyspace.handle = db.keyspace();
  for (int i = 0; i < 500; ++i) {
    const std::string key = absl::StrCat("key", i);
    ESPALIER_ASSERT_OK(db->Put(keyspace.handle, key, "value"));
    keyspace.Put(key, "value");
  }
  ESPALIER_ASSERT_OK(db->Checkpoint());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const ReadTransaction txn, db->BeginRead());
  ASSERT_TRUE(Same(txn, model));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const std::string_view view, txn.Get(keyspace.handle, "key77"));
  char& byte = const_cast<char&>(view[2]);
  byte = 'L';
  ::testing::TestPartResultArray failures;
  {
    const ::testing::ScopedFakeTestPartResultReporter intercept(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    Same(txn, model);
  }
  EXPECT_GT(failures.size(), 0);
  EXPECT_THAT(VerifyProblems(*db), ::testing::HasSubstr("checksum"));
  byte = 'l';
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const uint32_t page_bytes : {4096, 8192, 16384, 32768, 65536}) {
    for (const KeyShape shape : kAllKeyShapes) cases.push_back({page_bytes, shape});
  }
  return cases;
}

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  return absl::StrCat("Pages", info.param.page_bytes, "Keys",
                      std::string(KeyShapeName(info.param.shape)));
}

INSTANTIATE_TEST_SUITE_P(PageSizesAndKeys, ModelTest, ::testing::ValuesIn(AllCases()), CaseName);

}  // namespace
}  // namespace espalier::testing
