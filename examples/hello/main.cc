#include <iostream>

#include "espalier/espalier.h"

absl::Status Run() {
  auto db = espalier::Database::Open("hello.esp");
  if (!db.ok()) return db.status();
  auto write = db->BeginWrite();
  if (!write.ok()) return write.status();
  absl::Status put = write->Put(db->default_keyspace(), "pear", "cordon");
  put.Update(write->Put(db->default_keyspace(), "apple", "fan"));
  if (!put.ok()) return put;  // a transaction that is dropped leaves no trace
  if (auto commit = write->Commit(); !commit.ok()) return commit.status();
  auto read = db->BeginRead();
  if (!read.ok()) return read.status();
  auto entries = read->Scan(db->default_keyspace());
  for (const auto& [key, value] : entries) std::cout << key << ": " << value << "\n";
  read->End();
  return entries.status().ok() ? db->Close() : entries.status();  // Close() takes a checkpoint
}

int main() {
  const absl::Status status = Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
