#include "tools/cli/invocation.h"

#include <cstdio>

#include "tools/cli/exit_code.h"
#include "tools/text/escape.h"
#include "tools/text/hex.h"

namespace espalier::tools {
namespace {

absl::StatusOr<Database> Open(const Invocation& invocation, const Options& options) {
  absl::StatusOr<Database> db = Database::Open(invocation.database_path, options);
  if (!db.ok()) return AsEnvironmentError(db.status());
  return db;
}

}  // namespace

void Invocation::Complain(std::string_view message) const {
  std::string text = "espalier: ";
  if (!verb.empty()) text += verb + ": ";
  text += message;
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
}

absl::StatusOr<Database> OpenToRead(const Invocation& invocation) {
  return Open(invocation, {.create_if_missing = false, .read_only = true});
}

absl::StatusOr<Database> OpenToChange(const Invocation& invocation) {
  return Open(invocation, {.create_if_missing = false});
}

absl::StatusOr<Database> OpenOrCreate(const Invocation& invocation, uint32_t page_size_bytes) {
  return Open(invocation, {.create_if_missing = true, .page_size_bytes = page_size_bytes});
}

absl::StatusOr<Keyspace> FindKeyspace(const Transaction& txn, const Invocation& invocation) {
  absl::StatusOr<Keyspace> keyspace = txn.OpenKeyspace(invocation.keyspace_name());
  if (!absl::IsNotFound(keyspace.status())) return keyspace;
  std::string message = "no keyspace \"";
  AppendReadable(invocation.keyspace_name(), &message);
  return absl::NotFoundError(message + "\"");
}

absl::StatusOr<std::string> BytesOfArgument(const Invocation& invocation,
                                            const std::string& argument) {
  if (!invocation.hex) return argument;
  std::string bytes;
  if (DecodeHex(argument, &bytes)) return bytes;
  return absl::InvalidArgumentError("not an even number of hexadecimal digits: " + argument);
}

}  // namespace espalier::tools
