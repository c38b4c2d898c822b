// scan DATABASE: prints the entries of a range in key order, a line each.
#include <limits>
#include <memory>

#include "tools/cli/render.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct ScanArguments {
  KeyRangeArguments range;
  bool reverse = false;
  bool keys_only = false;
  uint64_t limit = std::numeric_limits<uint64_t>::max();
};

void AppendEntry(const Invocation& invocation, const Entry& entry, bool keys_only,
                 std::string* line) {
  if (invocation.json) {
    Json object;
    SetBytes("key", entry.key, invocation.hex, &object);
    if (!keys_only) SetBytes("value", entry.value, invocation.hex, &object);
    *line += JsonLine(object);
    return;
  }
  AppendBytes(entry.key, invocation.hex, line);
  if (!keys_only) {
    line->push_back('\t');
    AppendBytes(entry.value, invocation.hex, line);
  }
  line->push_back('\n');
}

absl::StatusOr<ExitCode> ScanRange(Invocation& invocation, const ScanArguments& arguments) {
  absl::StatusOr<KeyRange> range = ToKeyRange(invocation, arguments.range);
  if (!range.ok()) return range.status();
  absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  const absl::StatusOr<ReadTransaction> txn = db->BeginRead();
  if (!txn.ok()) return txn.status();
  const absl::StatusOr<Keyspace> keyspace = FindKeyspace(*txn, invocation);
  if (!keyspace.ok()) return keyspace.status();
  if (arguments.limit == 0) return ExitCode::kFine;

  Scan scan = arguments.reverse ? txn->ReverseScan(*keyspace, *std::move(range))
                                : txn->Scan(*keyspace, *std::move(range));
  uint64_t printed = 0;
  std::string line;
  for (const Entry& entry : scan) {
    line.clear();
    AppendEntry(invocation, entry, arguments.keys_only, &line);
    invocation.output.Write(line);
    if (!invocation.output.ok()) return invocation.output.status();
    if (++printed == arguments.limit) break;
  }
  if (!scan.status().ok()) return scan.status();
  return ExitCode::kFine;
}

}  // namespace

Verb AddScan(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<ScanArguments>();
  CLI::App* verb = AddVerb(app, "scan", "Print the entries of a range in key order", invocation);
  AddKeyRangeOptions(*verb, &arguments->range);
  verb->add_flag("--reverse", arguments->reverse, "From the last key to the first");
  verb->add_option("--limit", arguments->limit, "No more than this many entries")
      ->type_name("NUMBER")
      ->check(CLI::NonNegativeNumber);
  verb->add_flag("--keys-only", arguments->keys_only, "Without the values");
  AddKeyspaceOption(*verb, invocation);
  AddHexOption(*verb, invocation);
  AddJsonOption(*verb, invocation);
  verb->footer(
      "A line each: key, tab, value, with control characters and backslashes as \\HH; with --json "
      "an\n"
      "object.");
  return {verb, [&invocation, arguments] { return ScanRange(invocation, *arguments); }};
}

}  // namespace espalier::tools
