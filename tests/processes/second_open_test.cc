// Opening what is open already: by this process kAlreadyExists, whatever the name; by another one
// kUnavailable, until it is closed or its process is gone.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

TEST(SecondOpenTest, SameFileInOneProcess) {
  TestDatabase db;
  EXPECT_THAT(Database::Open(db.path()), StatusIs(absl::StatusCode::kAlreadyExists));
  Options read_only;
  read_only.read_only = true;
  EXPECT_THAT(Database::Open(db.path(), read_only), StatusIs(absl::StatusCode::kAlreadyExists));

  const std::string symbolic = db.PathBeside("symbolic");
  std::filesystem::create_symlink(db.path(), symbolic);
  EXPECT_THAT(Database::Open(symbolic), StatusIs(absl::StatusCode::kAlreadyExists));
  const std::string hard = db.PathBeside("hard");
  std::filesystem::create_hard_link(db.path(), hard);
  EXPECT_THAT(Database::Open(hard), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Database::Open(db.directory() + "/./test.esp"),
              StatusIs(absl::StatusCode::kAlreadyExists));

  // The attempts have not cost the first handle its lock.
  EXPECT_EQ(InChild([&]() -> std::string {
              return Database::Open(hard).status().ToString().substr(0, 11);
            }),
            "UNAVAILABLE");
  ESPALIER_EXPECT_OK(db->Put(db.keyspace(), "key", "value"));
  db.Close();
  ESPALIER_EXPECT_OK(Database::Open(hard));
  db.Open();
}

TEST(SecondOpenTest, CopyOverOpenDatabaseIsRefused) {
  TestDatabase db;
  EXPECT_THAT(db->CopyTo(db.path()), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST(SecondOpenTest, RacingThreadsOpenItOnce) {
  TestDatabase db;
  const std::string path = db.PathBeside("raced");
  std::vector<std::thread> threads;
  std::array<absl::StatusOr<Database>, 8> results;
  for (absl::StatusOr<Database>& result : results) {
    threads.emplace_back([&] { result = Database::Open(path); });
  }
  for (std::thread& thread : threads) thread.join();
  int opened = 0;
  for (const absl::StatusOr<Database>& result : results) {
    if (result.ok()) {
      ++opened;
    } else {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kAlreadyExists));
    }
  }
  EXPECT_EQ(opened, 1);
  // No temporary file stays.
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(db.directory())) {
    files += entry.path().filename().string().find("raced") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(files, 1);
}

TEST(SecondOpenTest, OtherProcess) {
  TestDatabase db;
  const auto open_elsewhere = [&] {
    return InChild([&] { return Database::Open(db.path()).status().ToString().substr(0, 11); });
  };
  EXPECT_EQ(open_elsewhere(), "UNAVAILABLE");
  Options read_only;
  read_only.read_only = true;
  EXPECT_EQ(InChild([&] {
              return Database::Open(db.path(), read_only).status().ToString().substr(0, 11);
            }),
            "UNAVAILABLE");
  db.Close();
  EXPECT_EQ(open_elsewhere(), "OK");
  db.Open();
  EXPECT_EQ(open_elsewhere(), "UNAVAILABLE");
}

// Readers share the file with each other, not with a writer.
TEST(SecondOpenTest, ReadOnlyProcessesShare) {
  TestDatabase db;
  ESPALIER_ASSERT_OK(db->Put(db.keyspace(), "key", "value"));
  db.Close();
  Options read_only;
  read_only.read_only = true;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database reader, Database::Open(db.path(), read_only));
  EXPECT_EQ(InChild([&]() -> std::string {
              absl::StatusOr<Database> second = Database::Open(db.path(), read_only);
              if (!second.ok()) return second.status().ToString();
              return *second->Get(second->default_keyspace(), "key");
            }),
            "value");
  EXPECT_EQ(InChild([&] { return Database::Open(db.path()).status().ToString().substr(0, 11); }),
            "UNAVAILABLE");
  EXPECT_THAT(reader.Get(reader.default_keyspace(), "key"), IsOkAndHolds(std::string("value")));
  EXPECT_THAT(reader.BeginWrite(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(reader.Checkpoint(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(reader.Compact(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(VerifyProblems(reader), "");
  ESPALIER_EXPECT_OK(reader.Close());
}

// A process that is killed leaves no lock behind, and all that it has committed.
TEST(SecondOpenTest, KilledProcess) {
  TestDatabase db;
  ESPALIER_ASSERT_OK(db->Put(db.keyspace(), "key", "value"));
  db.Close();
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(ready.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    absl::StatusOr<Database> held = Database::Open(db.path());
    if (held.ok()) held->Put(held->default_keyspace(), "key", "last").IgnoreError();
    const char result = held.ok() ? 'y' : 'n';
    if (write(ready[1], &result, 1) != 1) _exit(1);
    pause();
  }
  char result = 0;
  ASSERT_EQ(read(ready[0], &result, 1), 1);
  ASSERT_EQ(result, 'y');
  EXPECT_THAT(Database::Open(db.path()), StatusIs(absl::StatusCode::kUnavailable));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(ready[0]);
  close(ready[1]);
  db.Open();
  EXPECT_THAT(db->Get(db.keyspace(), "key"), IsOkAndHolds(std::string("last")));
}

}  // namespace
}  // namespace espalier::testing
