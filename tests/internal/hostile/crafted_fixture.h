// What the tests of crafted files do with a file: open it, and change what can be changed.

#ifndef ESPALIER_TESTS_INTERNAL_HOSTILE_CRAFTED_FIXTURE_H_
#define ESPALIER_TESTS_INTERNAL_HOSTILE_CRAFTED_FIXTURE_H_

#include <unistd.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"

namespace espalier::testing {

class CraftedTest : public ::testing::Test {
 protected:
  CraftedTest() { alarm(100); }

  absl::StatusOr<Database> Open(const Bytes& image,
                                const Options& options = SmallMappingOptions()) {
    file_.SetContent({});
    file_.SetContent(image);
    return Database::Open(file_.path(), options);
  }

  // Changes as many kinds of things as there are; statuses do not matter, being alive does.
  static void ChangeEverything(Database& db) {
    const Keyspace keyspace = db.default_keyspace();
    for (int round = 0; round < 3; ++round) {
      auto txn = db.BeginWrite();
      if (!txn.ok()) return;
      for (int i = 0; i < 40; ++i) {
        txn->Put(keyspace, absl::StrCat("user/", 1000 + 31 * i), std::string(200, 'c'))
            .IgnoreError();
        txn->Delete(keyspace, absl::StrCat("user/", 1000 + 37 * i % 997, "/name")).IgnoreError();
      }
      txn->Put(keyspace, "big", std::string(9000, 'b')).IgnoreError();
      txn->Put(keyspace, "z", "").IgnoreError();
      txn->DeleteRange(keyspace, KeyRange::Between("user/15", "user/17")).IgnoreError();
      txn->Commit().IgnoreError();
      db.Checkpoint().IgnoreError();
      db.Compact().IgnoreError();
      db.Verify().IgnoreError();
    }
  }

  MemoryFile file_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_INTERNAL_HOSTILE_CRAFTED_FIXTURE_H_
