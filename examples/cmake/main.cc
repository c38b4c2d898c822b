// Counts its own runs, in a database at the path that is its argument.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "espalier/espalier.h"

namespace {

absl::Status Run(const std::string& path) {
  auto db = espalier::Database::Open(path);
  if (!db.ok()) return db.status();
  const espalier::Keyspace keyspace = db->default_keyspace();
  auto write = db->BeginWrite();
  if (!write.ok()) return write.status();
  auto runs = write->Get(keyspace, "runs");
  if (!runs.ok() && !absl::IsNotFound(runs.status())) return runs.status();
  const int number = runs.ok() ? std::atoi(std::string(*runs).c_str()) + 1 : 1;
  absl::Status put = write->Put(keyspace, "runs", std::to_string(number));
  put.Update(write->Put(keyspace, "version", espalier::VersionString()));
  if (!put.ok()) return put;
  if (auto commit = write->Commit(); !commit.ok()) return commit.status();

  auto read = db->BeginRead();
  if (!read.ok()) return read.status();
  auto entries = read->Scan(keyspace);
  for (const auto& [key, value] : entries) {
    std::printf("%s: %s\n", std::string(key).c_str(), std::string(value).c_str());
  }
  if (!entries.status().ok()) return entries.status();
  read->End();
  return db->Close();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "example.esp");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
