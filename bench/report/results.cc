#include "bench/report/results.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "bench/workload/statistics.h"

namespace espalier::bench {
namespace {

using Json = nlohmann::ordered_json;
using Pairs = std::vector<std::pair<std::string, std::string>>;

NLOHMANN_JSON_SERIALIZE_ENUM(BarKind, {{BarKind::kNone, nullptr},
                                       {BarKind::kTimesBestRival, "times best rival, at least"},
                                       {BarKind::kAtMost, "at most"}})

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

Json RowToJson(const RowResult& row) {
  Json json;
  json["name"] = row.name;
  json["title"] = row.title;
  json["unit"] = row.unit;
  json["bar_kind"] = row.bar_kind;
  json["bar"] = row.bar;
  json["best_rival"] = row.BestRival().value_or("");
  if (auto ratio = row.RatioToBestRival()) json["ratio_to_best_rival"] = *ratio;
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
                .bar_kind = json.at("bar_kind").get<BarKind>(),
                .bar = json.at("bar"),
                .cells = {},
                .not_run = json.value("not_run", std::string())};
  for (const auto& [engine, cell] : json.at("engines").items())
    row.cells[engine] = CellFromJson(cell);
  return row;
}

}  // namespace

bool HigherIsBetter(const RowResult& row) { return row.unit.ends_with("/s"); }

std::optional<double> RowResult::Median(const std::string& engine) const {
  auto cell = cells.find(engine);
  if (cell == cells.end() || cell->second.samples.empty()) return std::nullopt;
  return Summarize(cell->second.samples).median;
}

std::optional<std::string> RowResult::BestRival() const {
  std::optional<std::string> best;
  for (const auto& [engine, cell] : cells) {
    if (engine == kOwnEngine || cell.samples.empty()) continue;
    if (!best || (*Median(engine) > *Median(*best)) == HigherIsBetter(*this)) best = engine;
  }
  return best;
}

std::optional<double> RowResult::RatioToBestRival() const {
  std::optional<double> own = Median(std::string(kOwnEngine));
  std::optional<std::string> rival = BestRival();
  if (!own || !rival) return std::nullopt;
  return *own / *Median(*rival);
}

std::optional<double> RowResult::ShareOfBar() const {
  std::optional<double> own = Median(std::string(kOwnEngine));
  if (bar_kind == BarKind::kAtMost && own) return bar / *own;
  if (bar_kind == BarKind::kTimesBestRival && RatioToBestRival()) return *RatioToBestRival() / bar;
  return std::nullopt;
}

std::optional<bool> RowResult::Passes() const {
  std::optional<double> share = ShareOfBar();
  if (!share) return std::nullopt;
  return *share >= 1;
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
