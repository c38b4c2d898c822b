// put DATABASE KEY VALUE: inserts or replaces one entry.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "tools/text/line_reader.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct PutArguments {
  std::string key;
  std::string value;
  bool if_absent = false;
  uint32_t page_size_bytes = 4096;
};

absl::StatusOr<std::string> ReadStandardInput() {
  const ByteSource source = DescriptorSource(STDIN_FILENO, "standard input");
  std::string bytes;
  size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) bytes.resize(filled + std::max<size_t>(filled, 1 << 16));
    const absl::StatusOr<size_t> count = source(bytes.data() + filled, bytes.size() - filled);
    if (!count.ok()) return count.status();
    if (*count == 0) break;
    filled += *count;
  }
  bytes.resize(filled);
  return bytes;
}

// An editor or `echo` ends the digits with a newline, which is none of them.
void DropFinalNewline(std::string* text) {
  if (text->ends_with('\n')) text->pop_back();
}

absl::StatusOr<std::string> Value(const Invocation& invocation, const std::string& argument) {
  if (argument != "-") return BytesOfArgument(invocation, argument);
  absl::StatusOr<std::string> bytes = ReadStandardInput();
  if (!bytes.ok() || !invocation.hex) return bytes;
  DropFinalNewline(&*bytes);
  return BytesOfArgument(invocation, *bytes);
}

absl::StatusOr<ExitCode> PutEntry(Database& db, const Invocation& invocation, std::string_view key,
                                  std::string_view value, bool if_absent) {
  absl::StatusOr<WriteTransaction> txn = db.BeginWrite();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<Keyspace> keyspace = txn->OpenOrCreateKeyspace(invocation.keyspace_name());
  if (!keyspace.ok()) return keyspace.status();
  if (if_absent) {
    const absl::StatusOr<bool> put = txn->PutIfAbsent(*keyspace, key, value);
    if (!put.ok()) return put.status();
    if (!*put) {
      invocation.Complain("the key exists");
      return ExitCode::kNotFound;
    }
  } else if (absl::Status status = txn->Put(*keyspace, key, value); !status.ok()) {
    return status;
  }
  const absl::StatusOr<CommitToken> token = txn->Commit();
  if (!token.ok()) return token.status();
  return ExitCode::kFine;
}

absl::StatusOr<ExitCode> Put(Invocation& invocation, const PutArguments& arguments) {
  const absl::StatusOr<std::string> key = BytesOfArgument(invocation, arguments.key);
  if (!key.ok()) return key.status();
  if (key->empty()) return absl::InvalidArgumentError("a key has at least one byte");
  const absl::StatusOr<std::string> value = Value(invocation, arguments.value);
  if (!value.ok()) return value.status();

  absl::StatusOr<Database> db = OpenOrCreate(invocation, arguments.page_size_bytes);
  if (!db.ok()) return db.status();
  const absl::StatusOr<ExitCode> code =
      PutEntry(*db, invocation, *key, *value, arguments.if_absent);
  const absl::Status closed = db->Close();
  if (code.ok() && !closed.ok()) return closed;
  return code;
}

}  // namespace

Verb AddPut(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<PutArguments>();
  CLI::App* verb = AddVerb(
      app, "put", "Insert or replace an entry; creates the database if need be", invocation);
  verb->add_option("KEY", arguments->key, "The key")->required()->type_name("");
  verb->add_option("VALUE", arguments->value, "The value; - reads it from standard input")
      ->required()
      ->type_name("");
  verb->add_flag("--if-absent", arguments->if_absent, "Insert only: exit 1 when the key exists");
  AddKeyspaceOption(*verb, invocation);
  AddHexOption(*verb, invocation);
  AddPageSizeOption(*verb, &arguments->page_size_bytes);
  return {verb, [&invocation, arguments] { return Put(invocation, *arguments); }};
}

}  // namespace espalier::tools
