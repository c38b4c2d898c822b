// check DATABASE: reads the whole file and proves every checksum, bound, order and count.
#include "tools/cli/figures.h"
#include "tools/cli/long_work.h"
#include "tools/cli/render.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

Json ToJson(const VerifyReport& report) {
  Json object;
  object["ok"] = report.ok();
  object["pages"] = report.pages;
  object["leaf_pages"] = report.leaf_pages;
  object["inner_pages"] = report.inner_pages;
  object["large_value_pages"] = report.large_value_pages;
  object["space_map_pages"] = report.space_map_pages;
  object["free_pages"] = report.free_pages;
  object["waiting_pages"] = report.waiting_pages;
  object["entries"] = report.entries;
  object["used_bytes"] = report.used_bytes;
  object["log_bytes"] = report.log_bytes;
  object["log_transactions"] = report.log_transactions;
  object["problems"] = report.problems;
  return object;
}

std::string ToText(const VerifyReport& report) {
  std::string text;
  for (const std::string& problem : report.problems) text += problem + "\n";
  text += FormatPlural(report.pages, "page") + ": " + FormatCount(report.leaf_pages) + " leaf, " +
          FormatCount(report.inner_pages) + " inner, " + FormatCount(report.large_value_pages) +
          " large values, " + FormatCount(report.space_map_pages) + " space map, " +
          FormatCount(report.waiting_pages) + " waiting, " + FormatCount(report.free_pages) +
          " free\n" + FormatCount(report.entries) +
          (report.entries == 1 ? " entry\n" : " entries\n");
  if (report.log_bytes > 0) {
    text += "log: " + FormatBytes(report.log_bytes) + ", " +
            FormatPlural(report.log_transactions, "transaction") + " since the last checkpoint\n";
  }
  text += report.ok() ? "sound\n" : FormatPlural(report.problems.size(), "problem") + "\n";
  return text;
}

absl::StatusOr<ExitCode> Check(Invocation& invocation) {
  absl::StatusOr<Database> db = OpenToRead(invocation);
  if (!db.ok()) return db.status();
  absl::StatusOr<VerifyReport> report;
  {
    LongWork work("check", ProgressBar::Unit::kItems);
    report = db->Verify(work.Callback());
  }
  if (!report.ok()) return LongWork::Explain(report.status());
  invocation.output.Write(invocation.json ? JsonDocument(ToJson(*report)) : ToText(*report));
  return report->ok() ? ExitCode::kFine : ExitCode::kCorrupt;
}

}  // namespace

Verb AddCheck(CLI::App& app, Invocation& invocation) {
  CLI::App* verb = AddVerb(
      app, "check", "Read the whole file and verify it; exit 3 when it is damaged", invocation);
  AddJsonOption(*verb, invocation);
  verb->footer("Problems come first, a line each, at most 1,000.");
  return {verb, [&invocation] { return Check(invocation); }};
}

}  // namespace espalier::tools
