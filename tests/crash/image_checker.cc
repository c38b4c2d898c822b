#include "tests/crash/image_checker.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace espalier::testing {
namespace {

std::string VerifyProblem(Database& db) {
  const auto report = db.Verify();
  if (!report.ok()) return absl::StrCat("does not verify: ", report.status().ToString());
  return report->ok() ? "" : absl::StrCat("does not verify: ", report->problems[0]);
}

}  // namespace

Options CrashTestOptions() {
  Options options;
  options.create_if_missing = false;
  options.address_space_bytes = size_t{4} << 20;
  options.log_size_bytes = uint64_t{1} << 20;
  return options;
}

absl::StatusOr<Digest> ReadDigest(Database& db) {
  ESPALIER_ASSIGN_OR_RETURN(const ReadTransaction txn, db.BeginRead());
  return ReadDigest(txn);
}

absl::StatusOr<Digest> ReadDigest(const ReadTransaction& txn) {
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<KeyspaceInfo> keyspaces, txn.ListKeyspaces());
  Digest digest;
  for (const KeyspaceInfo& info : keyspaces) {
    digest.AddKeyspace(info.name);
    Scan scan = txn.Scan(info.keyspace);
    uint64_t entries = 0;
    for (const Entry& entry : scan) {
      digest.AddEntry(info.name, entry.key, entry.value);
      ++entries;
    }
    ESPALIER_RETURN_IF_ERROR(scan.status());
    if (entries != info.entries) {
      return absl::InternalError(absl::StrCat("keyspace '", info.name, "' has ", entries,
                                              " entries and says ", info.entries));
    }
  }
  return digest;
}

ImageChecker::Outcome ImageChecker::Check(const DirectoryImage& image, bool go_on) {
  Outcome outcome;
  if (!image.contains(kDatabaseName)) return outcome;
  WriteDirectory(image, directory_.path());
  absl::StatusOr<Digest> read_only = absl::UnknownError("not read");
  if (go_on) {
    read_only = ReadReadOnly(image);
    if (!read_only.ok()) {
      outcome.problem = absl::StrCat("opened for reading only: ", read_only.status().ToString());
      return outcome;
    }
  }
  absl::StatusOr<Database> db =
      Database::Open(absl::StrCat(directory_.path(), "/", kDatabaseName), CrashTestOptions());
  if (!db.ok()) {
    outcome.problem = absl::StrCat("does not open: ", db.status().ToString());
    return outcome;
  }
  outcome.replayed = db->GetStats()->recovered_transactions > 0;
  const absl::StatusOr<Digest> digest = ReadDigest(*db);
  if (!digest.ok()) {
    outcome.problem = absl::StrCat("does not read: ", digest.status().ToString());
    return outcome;
  }
  outcome.digest = *digest;
  if (read_only.ok() && *read_only != *digest) {
    outcome.problem = "has other contents when it is opened for reading only";
    return outcome;
  }
  outcome.problem = VerifyProblem(*db);
  if (outcome.problem.empty() && go_on) outcome.problem = GoOn(*db, *digest);
  return outcome;
}

// Recovers in private memory and leaves everything as it is.
absl::StatusOr<Digest> ImageChecker::ReadReadOnly(const DirectoryImage& image) const {
  Options options = CrashTestOptions();
  options.read_only = true;
  ESPALIER_ASSIGN_OR_RETURN(
      Database db, Database::Open(absl::StrCat(directory_.path(), "/", kDatabaseName), options));
  ESPALIER_ASSIGN_OR_RETURN(const Digest digest, ReadDigest(db));
  if (const std::string problem = VerifyProblem(db); !problem.empty()) {
    return absl::InternalError(problem);
  }
  ESPALIER_RETURN_IF_ERROR(db.Close());
  if (HashOf(ReadDirectory(directory_.path())) != HashOf(image)) {
    return absl::InternalError("files were changed");
  }
  return digest;
}

std::string ImageChecker::GoOn(Database& db, Digest expected) {
  absl::Status status = [&]() -> absl::Status {
    for (int i = 0; i < 3; ++i) {
      const std::string key = absl::StrCat("after the crash ", i);
      const std::string value(3000, static_cast<char>('a' + i));
      ESPALIER_RETURN_IF_ERROR(db.Put(db.default_keyspace(), key, value).status());
      expected.AddEntry("", key, value);
    }
    ESPALIER_RETURN_IF_ERROR(db.Checkpoint());
    if (std::string problem = VerifyProblem(db); !problem.empty()) {
      return absl::InternalError(problem);
    }
    ESPALIER_RETURN_IF_ERROR(db.Close());
    const std::string path = db.path();
    { const Database closed = std::move(db); }
    ESPALIER_ASSIGN_OR_RETURN(Database again, Database::Open(path, CrashTestOptions()));
    ESPALIER_ASSIGN_OR_RETURN(const Digest found, ReadDigest(again));
    if (found != expected) return absl::InternalError("wrong contents");
    if (std::string problem = VerifyProblem(again); !problem.empty()) {
      return absl::InternalError(problem);
    }
    return absl::OkStatus();
  }();
  return status.ok() ? "" : absl::StrCat("does not go on: ", status.ToString());
}

}  // namespace espalier::testing
