// What a verb of the command line is to main(): its options and what runs it.
#ifndef ESPALIER_TOOLS_CLI_VERB_H_
#define ESPALIER_TOOLS_CLI_VERB_H_

#include <functional>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "absl/status/statusor.h"
#include "espalier/keyspace.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/invocation.h"

namespace espalier::tools {

struct Verb {
  CLI::App* app;
  // Runs after the options were read. A status is reported on standard error and decides the exit
  // code (ExitCodeFor); an exit code means that whatever there was to say was said.
  std::function<absl::StatusOr<ExitCode>()> run;
};

// Adds a verb to the command line, with its DATABASE argument.
CLI::App* AddVerb(CLI::App& app, const std::string& name, const std::string& description,
                  Invocation& invocation);

// The options that verbs have in common, added where they mean something.
void AddJsonOption(CLI::App& app, Invocation& invocation);
void AddHexOption(CLI::App& app, Invocation& invocation);
void AddKeyspaceOption(CLI::App& app, Invocation& invocation,
                       const std::string& description = "The keyspace; without it the default one");
void AddPageSizeOption(CLI::App& app, uint32_t* page_size_bytes);

// --prefix, --from and --to; together they mean the keys that satisfy all.
struct KeyRangeArguments {
  std::optional<std::string> prefix;
  std::optional<std::string> from;
  std::optional<std::string> to;

  bool any() const { return prefix || from || to; }
};
void AddKeyRangeOptions(CLI::App& app, KeyRangeArguments* arguments);
absl::StatusOr<KeyRange> ToKeyRange(const Invocation& invocation,
                                    const KeyRangeArguments& arguments);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_VERB_H_
