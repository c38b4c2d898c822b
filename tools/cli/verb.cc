#include "tools/cli/verb.h"

#include <algorithm>

namespace espalier::tools {
namespace {

void AddBytesOption(CLI::App& app, const std::string& name, std::optional<std::string>* argument,
                    const std::string& description) {
  // Not bound to the optional itself: for CLI11 an empty argument is then no argument.
  app.add_option_function<std::string>(
         name, [argument](const std::string& text) { *argument = text; }, description)
      ->type_name("KEY");
}

}  // namespace

CLI::App* AddVerb(CLI::App& app, const std::string& name, const std::string& description,
                  Invocation& invocation) {
  CLI::App* verb = app.add_subcommand(name, description)->group("Verbs");
  verb->add_option("DATABASE", invocation.database_path, "Path of the database's data file")
      ->required()
      ->type_name("");
  return verb;
}

void AddJsonOption(CLI::App& app, Invocation& invocation) {
  app.add_flag("--json", invocation.json,
               "Write JSON; bytes that are not UTF-8 go into NAME_hex members");
}

void AddHexOption(CLI::App& app, Invocation& invocation) {
  app.add_flag("--hex", invocation.hex, "Keys and values in and out are hexadecimal digits");
}

void AddKeyspaceOption(CLI::App& app, Invocation& invocation, const std::string& description) {
  app.add_option_function<std::string>(
         "--keyspace",
         [&invocation](const std::string& name) { invocation.keyspace_argument = name; },
         description)
      ->type_name("NAME");
}

void AddPageSizeOption(CLI::App& app, uint32_t* page_size_bytes) {
  app.add_option("--page-size", *page_size_bytes,
                 "Page size of a database that is created: 4096 (default) to 65536 bytes")
      ->type_name("BYTES")
      ->check(CLI::IsMember({4096, 8192, 16384, 32768, 65536}));
}

void AddKeyRangeOptions(CLI::App& app, KeyRangeArguments* arguments) {
  AddBytesOption(app, "--prefix", &arguments->prefix, "Keys that start with this");
  AddBytesOption(app, "--from", &arguments->from, "Keys from this one on");
  AddBytesOption(app, "--to", &arguments->to, "Keys before this one");
}

absl::StatusOr<KeyRange> ToKeyRange(const Invocation& invocation,
                                    const KeyRangeArguments& arguments) {
  KeyRange range;
  if (arguments.prefix) {
    auto prefix = BytesOfArgument(invocation, *arguments.prefix);
    if (!prefix.ok()) return prefix.status();
    range = KeyRange::Prefix(*prefix);
  }
  if (arguments.from) {
    auto from = BytesOfArgument(invocation, *arguments.from);
    if (!from.ok()) return from.status();
    range.begin = std::max(range.begin, *from);
  }
  if (arguments.to) {
    auto to = BytesOfArgument(invocation, *arguments.to);
    if (!to.ok()) return to.status();
    range.end = range.end ? std::min(*range.end, *to) : *to;
  }
  if (range.end) range.end = std::max(*range.end, range.begin);
  return range;
}

}  // namespace espalier::tools
