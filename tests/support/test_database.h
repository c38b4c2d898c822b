// A database for one test: in a directory of its own that goes with it, or in memory, and verified
// whenever it closes, so that no test passes on a file that is broken.
//
//   TestDatabase db;
//   ESPALIER_ASSERT_OK(db->Put(db->default_keyspace(), "key", "value"));
//   db.Reopen();
//
// What goes wrong here is a failure of the running test.

#ifndef ESPALIER_TESTS_SUPPORT_TEST_DATABASE_H_
#define ESPALIER_TESTS_SUPPORT_TEST_DATABASE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"

#define ESPALIER_ASSERT_OK(expr) ASSERT_THAT(expr, ::espalier::IsOk())
#define ESPALIER_EXPECT_OK(expr) EXPECT_THAT(expr, ::espalier::IsOk())

namespace espalier::testing {

// Nothing, or what Verify() finds wrong, a line each.
std::string VerifyProblems(Database& db);

class TestDatabase {
 public:
  enum class Where { kFile, kMemory };

  // Opens a fresh database.
  explicit TestDatabase(const Options& options = {}, Where where = Where::kFile);
  // Verifies and closes it, unless that has been done.
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  Database& operator*() { return *db_; }
  Database* operator->() { return &*db_; }
  Keyspace keyspace() const { return db_->default_keyspace(); }

  // Verifies the open database.
  void Verify();
  // Verify(), Close(), and the handle goes. Transactions must have ended.
  void Close();
  // Lets the handle go without any check.
  void Forget() { db_.reset(); }
  void Open();
  void Reopen();

  bool is_open() const { return db_.has_value(); }
  bool in_memory() const { return where_ == Where::kMemory; }
  // The data file's path, and another one beside it.
  std::string path() const { return dir_.File("test.esp"); }
  std::string PathBeside(const std::string& name) const { return dir_.File(name); }
  const std::string& directory() const { return dir_.path(); }
  uint64_t FileBytes();

 private:
  const os::TempDir dir_;
  const Options options_;
  const Where where_;
  std::optional<Database> db_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_TEST_DATABASE_H_
