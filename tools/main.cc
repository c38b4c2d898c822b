// The command line: espalier VERB DATABASE [ARGUMENTS].
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <vector>

#include "espalier/version.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/invocation.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

constexpr char kFooter[] =
    "espalier VERB --help tells more. Keys and values that begin with - come after --.\n"
    "Exit codes: 0 fine, 1 not found or differs, 2 usage, 3 corrupt, 4 I/O or environment.";

// A closed standard descriptor would be given to the next file that is opened, and output would
// land in the database.
void OccupyStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free descriptor is `fd`. Reading from or writing to it fails, as it should.
    const int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", mode) != fd) std::_Exit(static_cast<int>(ExitCode::kEnvironment));
  }
}

std::vector<Verb> AddVerbs(CLI::App& app, Invocation& invocation) {
  return {AddPut(app, invocation),  AddGet(app, invocation),     AddDel(app, invocation),
          AddScan(app, invocation), AddCount(app, invocation),   AddLoad(app, invocation),
          AddDump(app, invocation), AddStat(app, invocation),    AddCheck(app, invocation),
          AddCopy(app, invocation), AddCompact(app, invocation), AddBench(app, invocation),
          AddDemo(app, invocation)};
}

// The options that a verb shares with others may also stand before it.
void AddGlobalOptions(CLI::App& app, Invocation& invocation) {
  AddJsonOption(app, invocation);
  AddHexOption(app, invocation);
  AddKeyspaceOption(app, invocation);
}

// The first of them that was given although it means nothing to the verb; empty if there is none.
std::string MisplacedGlobalOption(const CLI::App& app, const Verb& verb) {
  for (const char* name : {"--json", "--hex", "--keyspace"}) {
    if (app.count(name) > 0 && verb.app->get_option_no_throw(name) == nullptr) return name;
  }
  return "";
}

const Verb* ParsedVerb(const std::vector<Verb>& verbs) {
  for (const Verb& verb : verbs) {
    if (verb.app->parsed()) return &verb;
  }
  return nullptr;
}

// Help and version go to standard output; anything else that parsing throws is a usage error.
ExitCode AfterParseError(const CLI::App& app, const CLI::ParseError& error,
                         const Invocation& invocation) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    app.exit(error);
    return ExitCode::kFine;
  }
  invocation.Complain(std::string(error.what()) + "; espalier " +
                      (invocation.verb.empty() ? "" : invocation.verb + " ") + "--help tells more");
  return ExitCode::kUsage;
}

ExitCode Run(const Verb& verb, Invocation& invocation) {
  const absl::StatusOr<ExitCode> result = verb.run();
  const absl::Status written = invocation.output.Flush();
  ExitCode code = result.ok() ? *result : ExitCodeFor(result.status());
  if (!result.ok() && !absl::IsCancelled(result.status())) {
    invocation.Complain(std::string(result.status().message()));
  } else if (!written.ok() && !absl::IsCancelled(written)) {
    invocation.Complain(std::string(written.message()));
    code = ExitCodeFor(written);
  }
  return code;
}

ExitCode Main(int argc, char** argv) {
  Invocation invocation{.verb = "",
                        .database_path = "",
                        .keyspace_argument = std::nullopt,
                        .json = false,
                        .hex = false,
                        .output = Output(DescriptorSink(STDOUT_FILENO, "standard output"))};
  CLI::App app("Espalier: an ordered, transactional key-value store in one memory-mapped file.",
               "espalier");
  app.set_version_flag("--version", std::string("espalier ") + VersionString());
  app.require_subcommand(1);
  app.get_formatter()->label("SUBCOMMAND", "VERB DATABASE [ARGUMENTS]");
  app.get_formatter()->label("REQUIRED", "");
  AddGlobalOptions(app, invocation);
  app.footer(kFooter);
  const std::vector<Verb> verbs = AddVerbs(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const Verb* verb = ParsedVerb(verbs)) invocation.verb = verb->app->get_name();
    return AfterParseError(app, error, invocation);
  }
  const Verb& verb = *ParsedVerb(verbs);
  invocation.verb = verb.app->get_name();
  if (const std::string option = MisplacedGlobalOption(app, verb); !option.empty()) {
    invocation.Complain("has no " + option);
    return ExitCode::kUsage;
  }
  return Run(verb, invocation);
}

}  // namespace
}  // namespace espalier::tools

int main(int argc, char** argv) {
  using espalier::tools::ExitCode;
  espalier::tools::OccupyStandardDescriptors();
  std::signal(SIGPIPE, SIG_IGN);  // a write to a closed pipe is an error like any other
  try {
    return static_cast<int>(espalier::tools::Main(argc, argv));
  } catch (const std::bad_alloc&) {
    std::fputs("espalier: out of memory\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "espalier: %s\n", error.what());
  }
  return static_cast<int>(ExitCode::kEnvironment);
}
