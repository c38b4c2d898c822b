// get DATABASE KEY: prints the value of a key.
#include <memory>

#include "tools/cli/render.h"
#include "tools/text/hex.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct GetArguments {
  std::string key;
  bool raw = false;
};

void Print(Invocation& invocation, std::string_view key, std::string_view value, bool raw) {
  if (invocation.json) {
    Json object;
    SetBytes("key", key, invocation.hex, &object);
    SetBytes("value", value, invocation.hex, &object);
    invocation.output.Write(JsonLine(object));
    return;
  }
  if (invocation.hex) {
    invocation.output.Write(ToHex(value));
  } else {
    invocation.output.Write(value);
  }
  if (!raw) invocation.output.Write("\n");
}

absl::StatusOr<ExitCode> Get(Invocation& invocation, const GetArguments& arguments) {
  const absl::StatusOr<std::string> key = BytesOfArgument(invocation, arguments.key);
  if (!key.ok()) return key.status();
  absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  const absl::StatusOr<ReadTransaction> txn = db->BeginRead();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<Keyspace> keyspace = FindKeyspace(*txn, invocation);
  if (!keyspace.ok()) return keyspace.status();
  const absl::StatusOr<std::string_view> value = txn->Get(*keyspace, *key);
  if (absl::IsNotFound(value.status())) return absl::NotFoundError("no such key");
  if (!value.ok()) return value.status();
  Print(invocation, *key, *value, arguments.raw);
  return ExitCode::kFine;
}

}  // namespace

Verb AddGet(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<GetArguments>();
  CLI::App* verb =
      AddVerb(app, "get", "Print the value of a key; exit 1 when there is none", invocation);
  verb->add_option("KEY", arguments->key, "The key")->required()->type_name("");
  verb->add_flag("--raw", arguments->raw, "The value only, without a newline after it");
  AddKeyspaceOption(*verb, invocation);
  AddHexOption(*verb, invocation);
  AddJsonOption(*verb, invocation);
  return {verb, [&invocation, arguments] { return Get(invocation, *arguments); }};
}

}  // namespace espalier::tools
