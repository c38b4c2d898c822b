#include "bench/report/markdown.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/report/format.h"

namespace espalier::bench {
namespace {

std::string CellText(const RowResult& row, const std::string& engine,
                     const std::optional<std::string>& best) {
  std::optional<double> median = row.Median(engine);
  if (!median)
    return row.cells.contains(engine) && !row.cells.at(engine).failure.empty() ? "failed" : "";
  std::string text = FormatFigure(*median);
  return best == engine ? absl::StrCat("**", text, "**") : text;
}

std::string BarText(const RowResult& row) {
  switch (row.bar_kind) {
    case BarKind::kNone:
      return "none";
    case BarKind::kTimesBestRival:
      return absl::StrFormat("≥ %.1f×", row.bar);
    case BarKind::kAtMost:
      return absl::StrFormat("≤ %.2f", row.bar);
  }
  return "";
}

std::string RatioText(const RowResult& row) {
  std::optional<double> ratio = row.RatioToBestRival();
  return ratio ? absl::StrFormat("%.2f×", *ratio) : "";
}

std::string MarkText(const RowResult& row) {
  std::optional<bool> passes = row.Passes();
  return !passes ? "" : *passes ? "✓" : "✗";
}

std::string PairLines(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string lines;
  for (const auto& [name, value] : pairs) absl::StrAppend(&lines, "- ", name, ": ", value, "\n");
  return lines;
}

}  // namespace

std::string MarkdownTable(const Results& results) {
  std::string header = "| row | unit |";
  std::string rule = "| --- | --- |";
  for (const EngineInfo& engine : results.engines) {
    absl::StrAppend(&header, " ", engine.name, " |");
    absl::StrAppend(&rule, " ---: |");
  }
  std::string table = absl::StrCat(header, " bar | ratio | |\n", rule, " ---: | ---: | --- |\n");
  for (const RowResult& row : results.rows) {
    std::optional<std::string> best = row.BestRival();
    absl::StrAppend(&table, "| ", row.title, " | ", row.unit, " |");
    for (const EngineInfo& engine : results.engines) {
      absl::StrAppend(&table, " ", CellText(row, engine.name, best), " |");
    }
    absl::StrAppend(&table, " ", BarText(row), " | ", RatioText(row), " | ", MarkText(row), " |\n");
  }
  return table;
}

std::string MarkdownReport(const Results& results) {
  std::string text = absl::StrCat("## Machine\n\n", PairLines(results.machine), "\n## Run\n\n",
                                  PairLines(results.run));
  absl::StrAppend(&text, "\n## Results\n\n", MarkdownTable(results), "\n## Settings\n");
  for (const EngineInfo& engine : results.engines) {
    absl::StrAppend(&text, "\n### ", engine.name, " ", engine.version, "\n\n",
                    PairLines(engine.settings));
  }
  return text;
}

}  // namespace espalier::bench
