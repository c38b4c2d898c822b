#include "bench/report/results.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "bench/workload/statistics.h"

namespace espalier::bench {
namespace {

using Json = nlohmann::ordered_json;
using Pairs = std::vector<std::pair<std::string, std::string>>;

Json PairsToJson(const Pairs& pairs) {
  Json json = Json::object();
  for (const auto& [name, value] : pairs) json[name] = value;
  return json;
}

Pairs PairsFromJson(const Json& json) {
  Pairs pairs;
  for (const auto& [name, value] : json.items()) pairs.emplace_back(name, value.get<std::string>());
  return pairs;
}

Json CellToJson(const Cell& cell) {
  Json json;
  if (!cell.samples.empty()) {
    Summary summary = Summarize(cell.samples);
    json["median"] = summary.median;
    json["min"] = summary.minimum;
    json["max"] = summary.maximum;
    json["samples"] = cell.samples;
  }
  if (!cell.failure.empty()) json["failure"] = cell.failure;
  return json;
}

Cell CellFromJson(const Json& json) {
  return {.samples = json.value("samples", std::vector<double>{}),
          .failure = json.value("failure", std::string())};
}

Json BarToJson(const RowResult& row, const ResultBar& bar) {
  Json json;
  json["bar"] = bar.factor;
  if (!bar.reference.empty()) {
    json["times"] = bar.reference;
    if (auto ratio = row.RatioTo(bar.reference)) json["ratio"] = *ratio;
  }
  return json;
}

ResultBar BarFromJson(const Json& json) {
  return {.factor = json.at("bar"), .reference = json.value("times", std::string())};
}

Json RowToJson(const RowResult& row) {
  Json json;
  json["name"] = row.name;
  json["title"] = row.title;
  json["unit"] = row.unit;
  json["is_durable"] = row.is_durable;
  json["bars"] = Json::array();
  for (const ResultBar& bar : row.bars) json["bars"].push_back(BarToJson(row, bar));
  json["best_rival"] = row.BestRival().value_or("");
  if (auto passes = row.Passes()) json["passes"] = *passes;
  if (!row.not_run.empty()) json["not_run"] = row.not_run;
  json["engines"] = Json::object();
  for (const auto& [engine, cell] : row.cells) json["engines"][engine] = CellToJson(cell);
  return json;
}

RowResult RowFromJson(const Json& json) {
  RowResult row{.name = json.at("name"),
                .title = json.at("title"),
                .unit = json.at("unit"),
                .is_durable = json.at("is_durable"),
                .bars = {},
                .cells = {},
                .not_run = json.value("not_run", std::string())};
  for (const Json& bar : json.at("bars")) row.bars.push_back(BarFromJson(bar));
  for (const auto& [engine, cell] : json.at("engines").items())
    row.cells[engine] = CellFromJson(cell);
  return row;
}

bool IsRival(const std::string& engine) { return engine != kOwnEngine && engine != kDeviceName; }

// "lmdb-writemap" is a mode of "lmdb", as is "lmdb" itself.
bool IsModeOf(const std::string& engine, const std::string& name) {
  return engine == name || engine.starts_with(name + "-");
}

// Of the engines that `counts` says so of and that have a figure.
template <typename Predicate>
std::optional<std::string> BestOf(const RowResult& row, Predicate counts) {
  std::optional<std::string> best;
  for (const auto& [engine, cell] : row.cells) {
    if (!counts(engine) || cell.samples.empty()) continue;
    if (!best || (*row.Median(engine) > *row.Median(*best)) == HigherIsBetter(row)) best = engine;
  }
  return best;
}

}  // namespace

bool HigherIsBetter(const RowResult& row) { return row.unit.ends_with("/s"); }

std::optional<double> RowResult::Median(const std::string& engine) const {
  auto cell = cells.find(engine);
  if (cell == cells.end() || cell->second.samples.empty()) return std::nullopt;
  return Summarize(cell->second.samples).median;
}

std::optional<std::string> RowResult::BestRival() const { return BestOf(*this, IsRival); }

std::optional<double> RowResult::RatioTo(const std::string& reference) const {
  const std::optional<double> own = Median(std::string(kOwnEngine));
  const std::optional<std::string> best =
      reference == kBestRival
          ? BestRival()
          : BestOf(*this, [&](const std::string& engine) { return IsModeOf(engine, reference); });
  if (!own || !best) return std::nullopt;
  return *own / *Median(*best);
}

std::optional<double> RowResult::ShareOf(const ResultBar& bar) const {
  const std::optional<double> reached =
      bar.reference.empty() ? Median(std::string(kOwnEngine)) : RatioTo(bar.reference);
  if (!reached) return std::nullopt;
  return HigherIsBetter(*this) ? *reached / bar.factor : bar.factor / *reached;
}

std::optional<bool> RowResult::Passes() const {
  if (bars.empty()) return std::nullopt;
  bool passes = true;
  for (const ResultBar& bar : bars) {
    const std::optional<double> share = ShareOf(bar);
    if (!share) return std::nullopt;
    passes &= *share >= 1;
  }
  return passes;
}

std::string ToJson(const Results& results) {
  Json json;
  json["machine"] = PairsToJson(results.machine);
  json["run"] = PairsToJson(results.run);
  for (const EngineInfo& engine : results.engines) {
    json["engines"][engine.name] = {
        {"version", engine.version},
        {"commits_survive_process_death", engine.commits_survive_process_death},
        {"settings", PairsToJson(engine.settings)}};
  }
  for (const RowResult& row : results.rows) json["rows"].push_back(RowToJson(row));
  return json.dump(2) + "\n";
}

absl::StatusOr<Results> FromJson(const std::string& text) {
  try {
    Json json = Json::parse(text);
    Results results;
    results.machine = PairsFromJson(json.at("machine"));
    results.run = PairsFromJson(json.at("run"));
    for (const auto& [name, engine] : json.at("engines").items()) {
      results.engines.push_back({name, engine.at("version"),
                                 engine.at("commits_survive_process_death"),
                                 PairsFromJson(engine.at("settings"))});
    }
    for (const Json& row : json.at("rows")) results.rows.push_back(RowFromJson(row));
    return results;
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a result file of this bench: ", error.what()));
  }
}

}  // namespace espalier::bench
