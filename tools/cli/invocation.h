// One call of the command line: what all verbs share.
#ifndef ESPALIER_TOOLS_CLI_INVOCATION_H_
#define ESPALIER_TOOLS_CLI_INVOCATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "espalier/database.h"
#include "tools/text/output.h"

namespace espalier::tools {

struct Invocation {
  std::string verb;
  std::string database_path;
  std::optional<std::string> keyspace_argument;  // --keyspace
  bool json = false;
  bool hex = false;
  Output output;  // standard output; main() flushes it

  // Empty: the default keyspace.
  std::string keyspace_name() const { return keyspace_argument.value_or(""); }

  // `espalier: VERB: message` on standard error.
  void Complain(std::string_view message) const;
};

// Opens the database for reading only: nothing is created or changed. Every failure except damage
// (kDataLoss) is one of the environment.
absl::StatusOr<Database> OpenToRead(const Invocation& invocation);

// Opens an existing database for reading and writing; failures as above.
absl::StatusOr<Database> OpenToChange(const Invocation& invocation);

// Opens the database for reading and writing and creates it if need be, with this page size.
absl::StatusOr<Database> OpenOrCreate(const Invocation& invocation, uint32_t page_size_bytes);

// The keyspace of the invocation; kNotFound with a message when there is none of that name.
absl::StatusOr<Keyspace> FindKeyspace(const Transaction& txn, const Invocation& invocation);

// The bytes that an argument stands for: itself, or with --hex what its digits say.
absl::StatusOr<std::string> BytesOfArgument(const Invocation& invocation,
                                            const std::string& argument);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_INVOCATION_H_
