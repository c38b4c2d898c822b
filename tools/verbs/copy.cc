// copy DATABASE TARGET: writes a consistent copy of the newest version to a new file.
#include <memory>

#include "tools/cli/exit_code.h"
#include "tools/cli/long_work.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct CopyArguments {
  std::string target;
  bool compact = false;  // changes nothing: every copy is packed
};

absl::StatusOr<ExitCode> Copy(Invocation& invocation, const CopyArguments& arguments) {
  absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  LongWork work("copy", ProgressBar::Unit::kItems);
  const absl::Status status = db->CopyTo(arguments.target, work.Callback());
  if (!status.ok()) return AsEnvironmentError(LongWork::Explain(status));
  return ExitCode::kFine;
}

}  // namespace

Verb AddCopy(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<CopyArguments>();
  CLI::App* verb =
      AddVerb(app, "copy", "Write a consistent, packed copy to a new file", invocation);
  verb->add_option("TARGET", arguments->target,
                   "Path of the copy; exit 4 when there is a file already")
      ->required()
      ->type_name("");
  verb->add_flag("--compact", arguments->compact,
                 "Repack the trees; accepted for clarity, every copy is packed in key order");
  return {verb, [&invocation, arguments] { return Copy(invocation, *arguments); }};
}

}  // namespace espalier::tools
