#include "bench/run/repetition.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bench/report/format.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {

Repetition::Repetition(const RunOptions& options, const Workload& workload, const ScratchDirectory& scratch,
                       uint64_t seed, Progress& progress, Results& results)
    : options_(options),
      workload_(workload),
      scratch_(scratch),
      random_(seed),
      progress_(progress),
      results_(results) {
  for (const Adapter* engine : options.engines) contestants_.push_back({.engine = engine, .worker = {}, .failure = {}});
}

absl::Status Repetition::Run() {
  bool compactions = !RowsOf(Stage::kCompacted).empty();
  bool shared = compactions || !RowsOf(Stage::kReads).empty() || !RowsOf(Stage::kWrites).empty();
  if (!RowsOf(Stage::kSortedLoad).empty()) RETURN_IF_ERROR(RunSortedLoads());
  if (shared || !RowsOf(Stage::kRandomLoad).empty()) RETURN_IF_ERROR(RunRandomLoads());
  if (shared) RETURN_IF_ERROR(PrepareForReads());
  RETURN_IF_ERROR(RunInTurns(Stage::kReads));
  RETURN_IF_ERROR(RunInTurns(Stage::kWrites));
  if (compactions) RETURN_IF_ERROR(RunCompactions());
  for (Contestant& contestant : contestants_) Remove(contestant);
  return absl::OkStatus();
}

std::vector<const Row*> Repetition::RowsOf(Stage stage) const {
  std::vector<const Row*> rows;
  std::copy_if(options_.rows.begin(), options_.rows.end(), std::back_inserter(rows),
               [stage](const Row* row) { return row->stage == stage; });
  return rows;
}

const Row* Repetition::Chosen(std::string_view name) const {
  auto row = std::find_if(options_.rows.begin(), options_.rows.end(), [name](const Row* r) { return r->name == name; });
  return row == options_.rows.end() ? nullptr : *row;
}

std::vector<Repetition::Contestant*> Repetition::ShuffledContestants() {
  std::vector<Contestant*> contestants;
  for (Contestant& contestant : contestants_) contestants.push_back(&contestant);
  Shuffle(contestants, random_);
  return contestants;
}

absl::Status Repetition::StartWorker(Contestant& contestant) {
  OpenOptions open{.directory = scratch_.Fresh(std::string(contestant.engine->name)),
                   .data_bytes = workload_.dataset.raw_bytes()};
  ASSIGN_OR_RETURN(contestant.worker, Worker::Start({.adapter = contestant.engine,
                                                     .workload = &workload_,
                                                     .options = open,
                                                     .cgroup_directory = {}}));
  contestant.failure.clear();
  return Do(contestant, "open");
}

absl::Status Repetition::Do(Contestant& contestant, std::string_view step, const Row* row) {
  std::string engine(contestant.engine->name);
  if (contestant.failure.empty()) {
    progress_.Show(absl::StrCat(std::string(row != nullptr ? row->name : step), "  ", engine));
    StepOptions options{
        .seed = random_.Next(), .seconds = options_.seconds, .warmup_seconds = options_.warmup_seconds};
    absl::StatusOr<double> figure = contestant.worker->Do(step, options);
    if (absl::IsCancelled(figure.status())) return figure.status();
    if (figure.ok()) {
      if (row == nullptr) return absl::OkStatus();
      RowResult& result = ResultOf(*row);
      result.cells[engine].samples.push_back(*figure);
      progress_.Say(FormatSample(result, engine, *figure));
      return absl::OkStatus();
    }
    contestant.failure = absl::StrCat(std::string(step), ": ", figure.status().message());
    progress_.Say(absl::StrCat(engine, " FAILED in ", contestant.failure));
  }
  if (row != nullptr) ResultOf(*row).cells[engine].failure = contestant.failure;
  return absl::OkStatus();
}

absl::Status Repetition::CloseAndWeigh(Contestant& contestant, std::string_view row_name) {
  RETURN_IF_ERROR(Do(contestant, "close"));
  if (const Row* row = Chosen(row_name)) RETURN_IF_ERROR(Do(contestant, "size", row));
  return absl::OkStatus();
}

void Repetition::Remove(Contestant& contestant) {
  contestant.worker.reset();
  scratch_.Fresh(std::string(contestant.engine->name));
}

absl::Status Repetition::RunSortedLoads() {
  for (Contestant* contestant : ShuffledContestants()) {
    RETURN_IF_ERROR(StartWorker(*contestant));
    RETURN_IF_ERROR(Do(*contestant, "append", Chosen("append")));
    RETURN_IF_ERROR(CloseAndWeigh(*contestant, "size-append"));
    Remove(*contestant);
  }
  return absl::OkStatus();
}

absl::Status Repetition::RunRandomLoads() {
  for (Contestant* contestant : ShuffledContestants()) {
    RETURN_IF_ERROR(StartWorker(*contestant));
    RETURN_IF_ERROR(Do(*contestant, "put-1000", Chosen("put-1000")));
    RETURN_IF_ERROR(CloseAndWeigh(*contestant, "size-put-1000"));
  }
  return absl::OkStatus();
}

absl::Status Repetition::PrepareForReads() {
  for (Contestant* contestant : ShuffledContestants()) {
    for (std::string_view step : {"open", "settle", "warm"}) RETURN_IF_ERROR(Do(*contestant, step));
  }
  scratch_.Flush();  // so that no writeback runs beside the rows
  return absl::OkStatus();
}

absl::Status Repetition::RunInTurns(Stage stage) {
  for (const Row* row : RowsOf(stage)) {
    for (Contestant* contestant : ShuffledContestants()) RETURN_IF_ERROR(Do(*contestant, row->step, row));
  }
  return absl::OkStatus();
}

absl::Status Repetition::RunCompactions() {
  for (Contestant* contestant : ShuffledContestants()) {
    RETURN_IF_ERROR(Do(*contestant, "compact"));
    RETURN_IF_ERROR(CloseAndWeigh(*contestant, "size-compact"));
    Remove(*contestant);
  }
  return absl::OkStatus();
}

RowResult& Repetition::ResultOf(const Row& row) {
  return *std::find_if(results_.rows.begin(), results_.rows.end(),
                       [&row](const RowResult& result) { return result.name == row.name; });
}

}  // namespace espalier::bench
