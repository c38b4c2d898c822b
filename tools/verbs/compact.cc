// compact DATABASE: repacks the file in place and gives the space back.
#include "tools/cli/figures.h"
#include "tools/cli/long_work.h"
#include "tools/cli/render.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

absl::StatusOr<ExitCode> Compact(Invocation& invocation) {
  absl::StatusOr<Database> db = OpenToChange(invocation);
  if (!db.ok()) return db.status();
  absl::StatusOr<CompactResult> result;
  {
    LongWork work("compact", ProgressBar::Unit::kItems);
    result = db->Compact(work.Callback());
  }
  const absl::Status closed = db->Close();
  if (!result.ok()) return LongWork::Explain(result.status());
  if (!closed.ok()) return closed;
  if (invocation.json) {
    Json object;
    object["file_bytes_before"] = result->file_bytes_before;
    object["file_bytes_after"] = result->file_bytes_after;
    invocation.output.Write(JsonLine(object));
  } else {
    invocation.output.Write(FormatBytes(result->file_bytes_before) + " before, " +
                            FormatBytes(result->file_bytes_after) + " after\n");
  }
  return ExitCode::kFine;
}

}  // namespace

Verb AddCompact(CLI::App& app, Invocation& invocation) {
  CLI::App* verb =
      AddVerb(app, "compact", "Repack the file in place and give free space back", invocation);
  AddJsonOption(*verb, invocation);
  verb->footer("Interrupting it is safe: what was done so far stays.");
  return {verb, [&invocation] { return Compact(invocation); }};
}

}  // namespace espalier::tools
