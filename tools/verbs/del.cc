// del DATABASE KEY, or del DATABASE --prefix/--from/--to/--all: deletes an entry or a range.
#include <memory>

#include "tools/cli/figures.h"
#include "tools/cli/render.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct DelArguments {
  std::optional<std::string> key;
  KeyRangeArguments range;
  bool all = false;
};

// Fails unless exactly one of the three ways to say what to delete was used.
absl::Status CheckArguments(const DelArguments& arguments) {
  const int ways =
      (arguments.key ? 1 : 0) + (arguments.range.any() ? 1 : 0) + (arguments.all ? 1 : 0);
  if (ways != 1) return absl::InvalidArgumentError("give a KEY, or a range, or --all");
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> DeleteOne(WriteTransaction& txn, const Keyspace& keyspace,
                                   std::string_view key) {
  const absl::StatusOr<bool> existed = txn.Delete(keyspace, key);
  if (!existed.ok()) return existed.status();
  return *existed ? 1 : 0;
}

struct Target {
  std::optional<std::string> key;
  KeyRange range;
};

absl::StatusOr<Target> ToTarget(const Invocation& invocation, const DelArguments& arguments) {
  Target target;
  if (arguments.key) {
    absl::StatusOr<std::string> key = BytesOfArgument(invocation, *arguments.key);
    if (!key.ok()) return key.status();
    target.key = *std::move(key);
  } else {
    absl::StatusOr<KeyRange> range = ToKeyRange(invocation, arguments.range);
    if (!range.ok()) return range.status();
    target.range = *std::move(range);
  }
  return target;
}

absl::StatusOr<uint64_t> Delete(Database& db, const Invocation& invocation, const Target& target) {
  absl::StatusOr<WriteTransaction> txn = db.BeginWrite();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<Keyspace> keyspace = FindKeyspace(*txn, invocation);
  if (!keyspace.ok()) return keyspace.status();
  const absl::StatusOr<uint64_t> deleted = target.key ? DeleteOne(*txn, *keyspace, *target.key)
                                                      : txn->DeleteRange(*keyspace, target.range);
  if (!deleted.ok()) return deleted.status();
  const absl::StatusOr<CommitToken> token = txn->Commit();
  if (!token.ok()) return token.status();
  return *deleted;
}

absl::StatusOr<ExitCode> Del(Invocation& invocation, const DelArguments& arguments) {
  if (absl::Status status = CheckArguments(arguments); !status.ok()) return status;
  const absl::StatusOr<Target> target = ToTarget(invocation, arguments);
  if (!target.ok()) return target.status();
  absl::StatusOr<Database> db = OpenToChange(invocation);
  if (!db.ok()) return db.status();
  const absl::StatusOr<uint64_t> deleted = Delete(*db, invocation, *target);
  const absl::Status closed = db->Close();
  if (!deleted.ok()) return deleted.status();
  if (!closed.ok()) return closed;

  if (invocation.json) {
    Json object;
    object["deleted"] = *deleted;
    invocation.output.Write(JsonLine(object));
  } else if (!arguments.key) {
    invocation.output.Write(FormatCount(*deleted) +
                            (*deleted == 1 ? " entry deleted\n" : " entries deleted\n"));
  }
  if (*deleted > 0) return ExitCode::kFine;
  if (arguments.key) invocation.Complain("no such key");
  return ExitCode::kNotFound;
}

}  // namespace

Verb AddDel(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<DelArguments>();
  CLI::App* verb = AddVerb(
      app, "del", "Delete a key, or a range of keys; exit 1 when there is none", invocation);
  verb->add_option_function<std::string>(
          "KEY", [arguments = arguments.get()](const std::string& key) { arguments->key = key; },
          "The key")
      ->type_name("");
  AddKeyRangeOptions(*verb, &arguments->range);
  verb->add_flag("--all", arguments->all, "Every key of the keyspace");
  AddKeyspaceOption(*verb, invocation);
  AddHexOption(*verb, invocation);
  AddJsonOption(*verb, invocation);
  return {verb, [&invocation, arguments] { return Del(invocation, *arguments); }};
}

}  // namespace espalier::tools
