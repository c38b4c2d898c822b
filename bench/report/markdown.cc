#include "bench/report/markdown.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
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

std::string BarText(const RowResult& row, const ResultBar& bar) {
  if (bar.reference.empty()) return absl::StrFormat("≤ %.2f", bar.factor);
  std::string text = HigherIsBetter(row) ? absl::StrFormat("≥ %.1f×", bar.factor)
                                         : absl::StrFormat("≤ %.2f×", bar.factor);
  // What nearly all are held against needs no name in each line.
  return bar.reference == kBestRival ? text : absl::StrCat(text, " ", bar.reference);
}

std::string BarsText(const RowResult& row) {
  std::vector<std::string> texts;
  for (const ResultBar& bar : row.bars) texts.push_back(BarText(row, bar));
  return texts.empty() ? "none" : absl::StrJoin(texts, ", ");
}

// To the reference of each bar that has one; of a rate without a bar to the best rival. A size is
// held against its bar, whatever the rivals'.
std::string RatiosText(const RowResult& row) {
  std::vector<std::string> references;
  for (const ResultBar& bar : row.bars) {
    if (!bar.reference.empty()) references.push_back(bar.reference);
  }
  if (row.bars.empty() && HigherIsBetter(row)) references.emplace_back(kBestRival);
  std::vector<std::string> texts;
  for (const std::string& reference : references) {
    if (const auto ratio = row.RatioTo(reference))
      texts.push_back(absl::StrFormat("%.2f×", *ratio));
  }
  return absl::StrJoin(texts, ", ");
}

// The bar that is missed by most says by how much.
std::string MarkText(const RowResult& row) {
  const std::optional<bool> passes = row.Passes();
  if (!passes) return "";
  if (*passes) return "✓";
  double least = 1;
  for (const ResultBar& bar : row.bars) least = std::min(least, row.ShareOf(bar).value_or(1));
  return absl::StrFormat("✗ %.0f %% of the bar", std::floor(least * 100));
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

// One of the two tables: the rows without sync, or the durable ones.
struct Section {
  std::vector<EngineInfo> engines;  // those that have a cell in it
  std::vector<RowResult> rows;
};

Section MakeSection(const Results& results, bool is_durable) {
  Section section;
  for (const RowResult& row : results.rows) {
    if (row.is_durable == is_durable) section.rows.push_back(row);
  }
  for (const EngineInfo& engine : results.engines) {
    if (std::any_of(section.rows.begin(), section.rows.end(),
                    [&](const RowResult& row) { return row.cells.contains(engine.name); })) {
      section.engines.push_back(engine);
    }
  }
  return section;
}

std::string Table(const Section& section) {
  std::string header = "| row | unit |";
  std::string rule = "| --- | --- |";
  for (const EngineInfo& engine : section.engines) {
    absl::StrAppend(&header, " ", engine.name, " |");
    absl::StrAppend(&rule, " ---: |");
  }
  std::string table = absl::StrCat(header, " bar | ratio | |\n", rule, " ---: | ---: | --- |\n");
  for (const RowResult& row : section.rows) {
    std::optional<std::string> best = row.BestRival();
    absl::StrAppend(&table, "| ", row.title, " | ", row.unit, " |");
    for (const EngineInfo& engine : section.engines) {
      absl::StrAppend(&table, " ", CellText(row, engine.name, best), " |");
    }
    absl::StrAppend(&table, " ", BarsText(row), " | ", RatiosText(row), " | ", MarkText(row),
                    " |\n");
  }
  return table;
}

// Sync is the same for all, what a dying process takes with it is not.
std::string DurabilityNote(const Section& section) {
  std::vector<std::string> keeping;
  std::vector<std::string> losing;
  for (const EngineInfo& engine : section.engines) {
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

std::string TablesWithNotes(const Results& results) {
  std::string text;
  const std::string legend =
      "\nBold: the best rival. Ratio: Espalier over the best rival, or over what the bar names.\n";
  if (const Section section = MakeSection(results, false); !section.rows.empty()) {
    absl::StrAppend(&text, Table(section), legend, "\n", DurabilityNote(section));
  }
  if (const Section section = MakeSection(results, true); !section.rows.empty()) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", Table(section), legend,
                    "\nA commit returns only once it survives loss of power, in every engine. "
                    "Device: the best way of flushing 4 KiB, in the same turns.\n");
  }
  return text + NotRunNotes(results);
}

}  // namespace

std::string MarkdownSummary(const Results& results) {
  return absl::StrCat(
      ValueOf(results.run, "records"), " records, medians of ", ValueOf(results.run, "repetitions"),
      "; ", ValueOf(results.machine, "processor"), ", ", ValueOf(results.machine, "memory"), "; ",
      ValueOf(results.machine, "kernel"), ", ", ValueOf(results.machine, "file system"), "; ",
      ValueOf(results.machine, "date"), ".\n\n", TablesWithNotes(results));
}

std::string MarkdownReport(const Results& results) {
  std::string text = absl::StrCat("## Machine\n\n", PairLines(results.machine), "\n## Run\n\n",
                                  PairLines(results.run));
  absl::StrAppend(&text, "\n## Results\n\n", TablesWithNotes(results), "\n## Settings\n");
  for (const EngineInfo& engine : results.engines) {
    absl::StrAppend(&text, "\n### ", engine.name, " ", engine.version, "\n\n",
                    PairLines(engine.settings));
  }
  return text;
}

}  // namespace espalier::bench
