// count DATABASE: prints how many entries a range has, without reading them.
#include <memory>

#include "tools/cli/render.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

absl::StatusOr<ExitCode> Count(Invocation& invocation, const KeyRangeArguments& arguments) {
  const absl::StatusOr<KeyRange> range = ToKeyRange(invocation, arguments);
  if (!range.ok()) return range.status();
  absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  const absl::StatusOr<ReadTransaction> txn = db->BeginRead();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<Keyspace> keyspace = FindKeyspace(*txn, invocation);
  if (!keyspace.ok()) return keyspace.status();
  const absl::StatusOr<uint64_t> count = txn->Count(*keyspace, *range);
  if (!count.ok()) return count.status();
  if (invocation.json) {
    Json object;
    object["count"] = *count;
    invocation.output.Write(JsonLine(object));
  } else {
    invocation.output.Write(std::to_string(*count) + "\n");
  }
  return ExitCode::kFine;
}

}  // namespace

Verb AddCount(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<KeyRangeArguments>();
  CLI::App* verb = AddVerb(app, "count",
                           "Print the number of entries, of all or of a range of keys", invocation);
  AddKeyRangeOptions(*verb, arguments.get());
  AddKeyspaceOption(*verb, invocation);
  AddHexOption(*verb, invocation);
  AddJsonOption(*verb, invocation);
  return {verb, [&invocation, arguments] { return Count(invocation, *arguments); }};
}

}  // namespace espalier::tools
