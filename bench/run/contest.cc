#include "bench/run/contest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/report/format.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {

Contest::Contest(const RunOptions& options, const ScratchDirectory& scratch,
                 WarmMemory& warm_memory, uint64_t seed, Progress& progress, Results& results)
    : options_(options),
      scratch_(scratch),
      warm_memory_(warm_memory),
      random_(seed),
      progress_(progress),
      results_(results) {
  for (const Adapter* engine : options.engines) {
    contestants_.push_back({.engine = engine, .worker = {}, .failure = {}});
  }
}

std::vector<Contestant*> Contest::Shuffled() {
  std::vector<Contestant*> contestants;
  for (Contestant& contestant : contestants_) contestants.push_back(&contestant);
  Shuffle(contestants, random_);
  return contestants;
}

std::vector<Contestant*> Contest::ShuffledWith(Contestant& other) {
  std::vector<Contestant*> contestants = Shuffled();
  contestants.push_back(&other);
  Shuffle(contestants, random_);
  return contestants;
}

std::vector<const Row*> Contest::RowsOf(Stage stage) const {
  std::vector<const Row*> rows;
  std::copy_if(options_.rows.begin(), options_.rows.end(), std::back_inserter(rows),
               [stage](const Row* row) { return row->stage == stage; });
  return rows;
}

const Row* Contest::Chosen(std::string_view name) const {
  auto row = std::find_if(options_.rows.begin(), options_.rows.end(),
                          [name](const Row* candidate) { return candidate->name == name; });
  return row == options_.rows.end() ? nullptr : *row;
}

absl::Status Contest::StartWorker(Contestant& contestant, const Start& start) {
  contestant.worker.reset();
  contestant.failure.clear();
  Worker::Setup setup{.adapter = contestant.engine,
                      .workload = &start.workload,
                      .options = {.directory = start.directory,
                                  .data_bytes = start.workload.dataset.raw_bytes(),
                                  .memory_limit_bytes = start.memory_limit_bytes,
                                  .durable = start.durable},
                      .cgroup_directory = start.cgroup_directory};
  ASSIGN_OR_RETURN(contestant.worker, Worker::Start(setup));
  return absl::OkStatus();
}

StepOptions Contest::OptionsOf(const Row* row) {
  return {.seed = random_.Next(),
          .seconds = row != nullptr && row->writes() ? options_.write_seconds : options_.seconds,
          .warmup_seconds = options_.warmup_seconds};
}

absl::Status Contest::Do(Contestant& contestant, std::string_view step, const Row* row) {
  return Do(contestant, step, row, OptionsOf(row));
}

absl::Status Contest::Do(Contestant& contestant, std::string_view step, const Row* row,
                         const StepOptions& options) {
  progress_.Show(
      absl::StrCat(std::string(row != nullptr ? row->name : step), "  ", contestant.name()));
  if (row != nullptr) warm_memory_.StartSupply();
  const absl::StatusOr<std::optional<double>> answer = Ask(contestant, step, options);
  warm_memory_.StopSupply();
  RETURN_IF_ERROR(answer.status());
  const std::optional<double> figure = *answer;
  if (row == nullptr) return absl::OkStatus();
  if (figure.has_value()) {
    Record(contestant, *row, *figure);
  } else {
    RecordFailure(contestant, *row, contestant.failure);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<double>> Contest::Ask(Contestant& contestant, std::string_view step,
                                                   const StepOptions& options) {
  if (!contestant.failure.empty()) return std::nullopt;
  absl::StatusOr<double> figure = contestant.worker->Do(step, options);
  if (figure.ok()) return *figure;
  if (absl::IsCancelled(figure.status())) return figure.status();
  contestant.failure = absl::StrCat(std::string(step), ": ", figure.status().message());
  progress_.Say(absl::StrCat(contestant.name(), " FAILED in ", contestant.failure));
  return std::nullopt;
}

void Contest::Record(const Contestant& contestant, const Row& row, double figure) {
  RowResult& result = ResultOf(row);
  result.cells[contestant.name()].samples.push_back(figure);
  progress_.Say(FormatSample(result, contestant.name(), figure));
}

void Contest::RecordFailure(const Contestant& contestant, const Row& row, const std::string& why) {
  ResultOf(row).cells[contestant.name()].failure = why;
}

void Contest::RecordNotRun(const Row& row, const std::string& why) {
  RowResult& result = ResultOf(row);
  if (result.not_run.empty()) progress_.Say(absl::StrCat(result.name, " not run: ", why));
  result.not_run = why;
}

RowResult& Contest::ResultOf(const Row& row) {
  return *std::find_if(results_.rows.begin(), results_.rows.end(),
                       [&row](const RowResult& result) { return result.name == row.name; });
}

}  // namespace espalier::bench
