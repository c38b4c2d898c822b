#include "tests/support/test_database.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace espalier::testing {

std::string VerifyProblems(Database& db) {
  const absl::StatusOr<VerifyReport> report = db.Verify();
  if (!report.ok()) return report.status().ToString();
  std::string problems;
  for (const std::string& problem : report->problems) problems += problem + "\n";
  return problems;
}

TestDatabase::TestDatabase(const Options& options, Where where) : options_(options), where_(where) {
  Open();
}

TestDatabase::~TestDatabase() {
  if (is_open()) Close();
}

void TestDatabase::Open() {
  absl::StatusOr<Database> db =
      in_memory() ? Database::OpenInMemory(options_) : Database::Open(path(), options_);
  if (!db.ok()) {
    // No test can go on from here.
    std::fprintf(stderr, "%s: %s\n", path().c_str(), db.status().ToString().c_str());
    std::abort();
  }
  db_.emplace(*std::move(db));
}

void TestDatabase::Verify() { EXPECT_EQ(VerifyProblems(*db_), ""); }

void TestDatabase::Close() {
  Verify();
  EXPECT_THAT(db_->Close(), IsOk());
  db_.reset();
}

void TestDatabase::Reopen() {
  Close();
  Open();
}

uint64_t TestDatabase::FileBytes() {
  const absl::StatusOr<Stats> stats = db_->GetStats();
  EXPECT_THAT(stats, IsOk());
  return stats.ok() ? stats->file_bytes : 0;
}

}  // namespace espalier::testing
