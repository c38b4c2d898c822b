#include "bench/report/markdown.h"

#include <cmath>

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

// Of rates only: a size is held against its bar, whatever the rivals'.
std::string RatioText(const RowResult& row) {
  std::optional<double> ratio = row.RatioToBestRival();
  return ratio && HigherIsBetter(row) ? absl::StrFormat("%.2f×", *ratio) : "";
}

std::string MarkText(const RowResult& row) {
  std::optional<double> share = row.ShareOfBar();
  if (!share) return "";
  return *share >= 1 ? "✓" : absl::StrFormat("✗ %.0f %% of the bar", std::floor(*share * 100));
}

std::string PairLines(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string lines;
  for (const auto& [name, value] : pairs) absl::StrAppend(&lines, "- ", name, ": ", value, "\n");
  return lines;
}

// "a, b and c"
std::string Enumerate(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : i + 1 == items.size() ? " and " : ", ", items[i]);
  }
  return text;
}

std::string ValueOf(const std::vector<std::pair<std::string, std::string>>& pairs,
                    const std::string& name) {
  for (const auto& [key, value] : pairs) {
    if (key == name) return value;
  }
  return "?";
}

std::string Table(const Results& results) {
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

// Sync is the same for all, what a dying process takes with it is not.
std::string DurabilityNote(const Results& results) {
  std::vector<std::string> keeping;
  std::vector<std::string> losing;
  for (const EngineInfo& engine : results.engines) {
    (engine.commits_survive_process_death ? keeping : losing).push_back(engine.name);
  }
  std::string note =
      "Sync is off everywhere: a power failure may take the last commits of any of them.";
  std::string separator = " When only the process dies, ";
  if (!losing.empty()) {
    absl::StrAppend(&note, separator, Enumerate(losing), losing.size() == 1 ? " loses" : " lose",
                    " what came after the last checkpoint (no log)");
    separator = ", and ";
  }
  if (!keeping.empty()) {
    absl::StrAppend(&note, separator, Enumerate(keeping), keeping.size() == 1 ? " keeps" : " keep",
                    " every commit");
  }
  return note + ".\n";
}

std::string NotRunNotes(const Results& results) {
  std::string notes;
  for (const RowResult& row : results.rows) {
    if (!row.not_run.empty()) {
      absl::StrAppend(&notes, "\nNot run: ", row.title, " (", row.not_run, ").\n");
    }
  }
  return notes;
}

std::string TableWithNotes(const Results& results) {
  return absl::StrCat(Table(results),
                      "\nBold: the best rival. Ratio: Espalier over the best rival.\n\n",
                      DurabilityNote(results), NotRunNotes(results));
}

}  // namespace

std::string MarkdownSummary(const Results& results) {
  return absl::StrCat(
      ValueOf(results.run, "records"), " records, medians of ", ValueOf(results.run, "repetitions"),
      "; ", ValueOf(results.machine, "processor"), ", ", ValueOf(results.machine, "memory"), "; ",
      ValueOf(results.machine, "kernel"), ", ", ValueOf(results.machine, "file system"), "; ",
      ValueOf(results.machine, "date"), ".\n\n", TableWithNotes(results));
}

std::string MarkdownReport(const Results& results) {
  std::string text = absl::StrCat("## Machine\n\n", PairLines(results.machine), "\n## Run\n\n",
                                  PairLines(results.run));
  absl::StrAppend(&text, "\n## Results\n\n", TableWithNotes(results), "\n## Settings\n");
  for (const EngineInfo& engine : results.engines) {
    absl::StrAppend(&text, "\n### ", engine.name, " ", engine.version, "\n\n",
                    PairLines(engine.settings));
  }
  return text;
}

}  // namespace espalier::bench
