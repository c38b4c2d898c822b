// Database::Write and Update.
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

class WriteBatchTest : public ::testing::Test {
 protected:
  os::TempDir dir_;
  Database db_ = Database::Open(dir_.File("db.esp")).value();
  const Keyspace keyspace_ = db_.default_keyspace();
};

TEST_F(WriteBatchTest, AllOrNothing) {
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.Put(keyspace_, "a", "1");
  batch.Put(keyspace_, "b", "2");
  batch.Put(keyspace_, "c", "3");
  batch.Delete(keyspace_, "b");
  batch.Delete(keyspace_, "not there");
  EXPECT_GT(batch.size_bytes(), 0u);
  ASSERT_THAT(db_.Write(batch), IsOk());
  EXPECT_THAT(db_.Count(keyspace_), IsOkAndHolds(2u));
  batch.Put(keyspace_, "d", "4");
  batch.Put(keyspace_, "", "a key must not be empty");
  EXPECT_THAT(db_.Write(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(db_.Count(keyspace_), IsOkAndHolds(2u));
  batch.Clear();
  batch.DeleteRange(keyspace_, KeyRange::From("b"));
  ASSERT_THAT(db_.Write(batch), IsOk());
  EXPECT_THAT(db_.Count(keyspace_), IsOkAndHolds(1u));
}

TEST_F(WriteBatchTest, Misuse) {
  Database other = Database::OpenInMemory().value();
  WriteBatch batch;
  ASSERT_THAT(db_.Write(batch), IsOk());
  batch.Put(other.default_keyspace(), "a", "1");
  EXPECT_THAT(db_.Write(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(other.Write(batch), IsOk());
  batch.Put(keyspace_, "a", "1");
  EXPECT_THAT(other.Write(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  batch.Clear();
  batch.Put(Keyspace(), "a", "1");
  EXPECT_THAT(db_.Write(batch), StatusIs(absl::StatusCode::kInvalidArgument));
  const WriteBatch moved = std::move(batch);
  EXPECT_THAT(db_.Write(batch), IsOk());  // NOLINT(bugprone-use-after-move): empty
  batch.Put(keyspace_, "a", "1");         // NOLINT(bugprone-use-after-move): begins anew
  EXPECT_THAT(db_.Write(batch), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace dropped, db_.OpenOrCreateKeyspace("dropped"));
  ASSERT_THAT(db_.DropKeyspace(dropped), IsOk());
  batch.Put(dropped, "a", "1");
  EXPECT_THAT(db_.Write(batch), StatusIs(absl::StatusCode::kNotFound));
}

// Threads whose batches fail beside threads whose batches do not: groups are applied again without
// them.
TEST_F(WriteBatchTest, AFailingMemberLeavesTheOthersUntouched) {
  constexpr int kThreads = 8;
  constexpr int kBatches = 100;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kBatches; ++i) {
        const bool fails = thread % 2 == 1 && i % 2 == 1;
        WriteBatch batch;
        batch.Put(keyspace_, absl::StrCat("key ", thread, " ", i), "value");
        if (fails) batch.Put(keyspace_, std::string(5000, 'k'), "too long a key");
        const WriteOptions options{.durability =
                                       i % 3 == 0 ? Durability::kAsync : Durability::kSync};
        const auto token = db_.Write(batch, options);
        if (fails) {
          EXPECT_THAT(token, StatusIs(absl::StatusCode::kInvalidArgument));
        } else {
          EXPECT_THAT(token, IsOk());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(db_.Count(keyspace_), IsOkAndHolds(uint64_t{kThreads * kBatches * 3 / 4}));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db_.Verify());
  EXPECT_THAT(report.problems, ::testing::IsEmpty());
}

TEST_F(WriteBatchTest, Update) {
  ASSERT_THAT(db_.Update([&](WriteTransaction& txn) { return txn.Put(keyspace_, "a", "1"); }),
              IsOk());
  EXPECT_THAT(db_.Get(keyspace_, "a"), IsOkAndHolds(std::string("1")));
  EXPECT_THAT(db_.Update([&](WriteTransaction& txn) -> absl::Status {
    EXPECT_THAT(txn.Put(keyspace_, "a", "2"), IsOk());
    return absl::AbortedError("no");
  }),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(db_.Get(keyspace_, "a"), IsOkAndHolds(std::string("1")));
}

}  // namespace
}  // namespace espalier
