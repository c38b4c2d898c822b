// No memory and no disk at the same time: a commit that threw and then a flush that fails, and a
// call that fails with no memory to say so.
#include <cerrno>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/fault/failing_allocations.h"
#include "tests/support/failing_log_flush.h"

namespace espalier::testing {
namespace {

Options TestOptions() {
  Options options;
  options.log_size_bytes = uint64_t{1} << 20;
  return options;
}

// The version of a commit that threw is given out again: nothing may be believed of it by then.
TEST(NoMemoryThenNoDiskTest, TheNextCommitIsNotVisibleBeforeItIsDurable) {
  bool ended = false;
  for (int n = 1; !ended; ++n) {
    SCOPED_TRACE(absl::StrCat("allocation ", n));
    const os::TempDir dir;
    Database db = Database::Open(dir.File("db.esp"), TestOptions()).value();
    const Keyspace keyspace = db.default_keyspace();
    WriteTransaction before = db.BeginWrite({.durability = Durability::kAsync}).value();
    ASSERT_THAT(before.Put(keyspace, "before", "1"), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken token, before.Commit());
    try {
      WriteTransaction txn = db.BeginWrite().value();
      ASSERT_THAT(txn.Put(keyspace, "new", std::string(60000, 'n')), IsOk());
      ASSERT_THAT(txn.Put(keyspace, "more", std::string(60000, 'n')), IsOk());
      ASSERT_THAT(txn.Put(keyspace, "yet more", std::string(60000, 'n')), IsOk());
      const FailingAllocation failing(n);
      txn.Commit().IgnoreError();
    } catch (const std::bad_alloc&) {
    }
    ended = !AllocationFailed();
    ASSERT_THAT(db.WaitDurable(token), IsOk());
    const FailingLogFlush failing;
    EXPECT_FALSE(db.Put(keyspace, "b", "2").ok());
    EXPECT_THAT(db.Get(keyspace, "b"), StatusIs(absl::StatusCode::kNotFound));
  }
}

// The write of a checkpoint slot fails, and there is no memory to say so.
class FailingSlotWrite : public os::SystemCallObserver {
 public:
  // The first `skip` such writes succeed.
  explicit FailingSlotWrite(int skip) : skip_(skip) {}

  int BeforeCall(const os::SystemCall& call) override {
    const bool is_slot = call.kind == os::SystemCallKind::kWrite && call.path.ends_with("db.esp") &&
                         (call.offset == 16384 || call.offset == 32768);
    if (!is_slot || skip_-- > 0) return 0;
    no_memory_.emplace(1);
    return EIO;
  }

 private:
  int skip_;
  std::optional<FailingAllocation> no_memory_;
  os::ScopedSystemCallObserver observing_{this};
};

bool Succeeds(const std::function<absl::Status()>& call) {
  try {
    return call().ok();
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// Nothing is acknowledged from then on that no slot may lead to.
TEST(NoMemoryForAnErrorTest, OfTheSlotThatNamesTheLog) {
  const os::TempDir dir;
  Database db = Database::Open(dir.File("db.esp"), TestOptions()).value();
  const auto put = [&] { return db.Put(db.default_keyspace(), "key", "value").status(); };
  {
    // The one that was found is written first.
    const FailingSlotWrite failing(1);
    EXPECT_FALSE(Succeeds(put));
  }
  EXPECT_FALSE(put().ok());
}

TEST(NoMemoryForAnErrorTest, OfTheSecondSlotOfAClose) {
  const os::TempDir dir;
  Database db = Database::Open(dir.File("db.esp"), TestOptions()).value();
  const auto put = [&] { return db.Put(db.default_keyspace(), "key", "value").status(); };
  ASSERT_THAT(put(), IsOk());
  {
    const FailingSlotWrite failing(1);
    EXPECT_FALSE(Succeeds([&] { return db.Close(); }));
  }
  EXPECT_FALSE(put().ok());
}

}  // namespace
}  // namespace espalier::testing
