// What a run has measured, with all that is needed to print it again: the JSON file is this, and
// table and chart are made from nothing else.
#ifndef ESPALIER_BENCH_REPORT_RESULTS_H_
#define ESPALIER_BENCH_REPORT_RESULTS_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/run/row.h"

namespace espalier::bench {

inline constexpr std::string_view kOwnEngine = "espalier";

// One engine's figures in one row: one sample a repetition, or the reason why there is none.
struct Cell {
  std::vector<double> samples;
  std::string failure;
};

// A bar of a Row.
struct ResultBar {
  double factor = 0;
  std::string reference;
};

struct RowResult {
  std::string name;
  std::string title;
  std::string unit;
  bool is_durable = false;
  std::vector<ResultBar> bars;
  std::map<std::string, Cell> cells;  // by engine
  std::string not_run = {};           // the reason, where no engine could run it here

  // The median, or nothing where the engine has no sample.
  std::optional<double> Median(const std::string& engine) const;

  // The engine other than Espalier with the best median; the device is none.
  std::optional<std::string> BestRival() const;

  // Espalier's median over that of a bar's reference, of which the best mode counts; nothing where
  // one of them is missing.
  std::optional<double> RatioTo(const std::string& reference) const;

  // How much of the bar Espalier reaches: 1 and more is at it. Nothing where a figure is missing.
  std::optional<double> ShareOf(const ResultBar& bar) const;

  // Whether all bars are reached. Nothing where there is none or a figure is missing.
  std::optional<bool> Passes() const;
};

struct EngineInfo {
  std::string name;
  std::string version;
  bool commits_survive_process_death = true;
  std::vector<std::pair<std::string, std::string>> settings;
};

struct Results {
  std::vector<std::pair<std::string, std::string>> machine;
  std::vector<std::pair<std::string, std::string>> run;  // records, repetitions, seconds, …
  std::vector<EngineInfo> engines;
  std::vector<RowResult> rows;
};

std::string ToJson(const Results& results);
absl::StatusOr<Results> FromJson(const std::string& text);

// Rates are better the higher they are; everything else the lower.
bool HigherIsBetter(const RowResult& row);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_REPORT_RESULTS_H_
