// Opens images of crashes and says what is in them.
#ifndef ESPALIER_TESTS_CRASH_IMAGE_CHECKER_H_
#define ESPALIER_TESTS_CRASH_IMAGE_CHECKER_H_

#include <cstdint>
#include <string>

#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "tests/crash/commit_history.h"
#include "tests/crash/disk_image.h"

namespace espalier::testing {

// The name of the database in every directory here.
inline constexpr char kDatabaseName[] = "db.esp";

// For databases that are opened thousands of times: few addresses, the smallest log.
Options CrashTestOptions();

// The contents of the newest version, or what is wrong.
absl::StatusOr<Digest> ReadDigest(Database& db);
absl::StatusOr<Digest> ReadDigest(const ReadTransaction& txn);

// One thread at a time.
class ImageChecker {
 public:
  struct Outcome {
    std::string problem;    // empty: none
    Digest digest;          // of what was found
    bool replayed = false;  // the log had transactions that the checkpoint lacks
  };

  // Opens, verifies and reads. An image without the database is sound and has the digest of none.
  // `go_on`: before that opens it for reading only, and afterwards changes it, takes a checkpoint,
  // closes and opens it again.
  Outcome Check(const DirectoryImage& image, bool go_on);

 private:
  absl::StatusOr<Digest> ReadReadOnly(const DirectoryImage& image) const;
  std::string GoOn(Database& db, Digest expected);

  // In memory, where flushes cost nothing.
  const os::TempDir directory_{"/dev/shm"};
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_IMAGE_CHECKER_H_
