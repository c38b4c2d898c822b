#include "bench/run/stages.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

// Closes the database and weighs its files, if that row was chosen.
absl::Status CloseAndWeigh(Contest& contest, Contestant& contestant, std::string_view row_name) {
  RETURN_IF_ERROR(contest.Do(contestant, "close"));
  if (const Row* row = contest.Chosen(row_name)) {
    RETURN_IF_ERROR(contest.Do(contestant, row->step, row));
  }
  return absl::OkStatus();
}

absl::Status RunRandomLoads(Contest& contest, const Workload& workload) {
  for (Contestant* contestant : contest.Shuffled()) {
    std::string directory = contest.scratch().Fresh(contestant->name());
    RETURN_IF_ERROR(
        contest.StartWorker(*contestant, {.workload = workload, .directory = directory}));
    RETURN_IF_ERROR(contest.Do(*contestant, "open"));
    RETURN_IF_ERROR(contest.Do(*contestant, "put-1000", contest.Chosen("put-1000")));
    if (const Row* row = contest.Chosen("size-loading")) {
      RETURN_IF_ERROR(contest.Do(*contestant, row->step, row));
    }
    RETURN_IF_ERROR(CloseAndWeigh(contest, *contestant, "size-put-1000"));
  }
  return absl::OkStatus();
}

absl::Status PrepareForReads(Contest& contest) {
  for (Contestant* contestant : contest.Shuffled()) {
    for (std::string_view step : {"open", "settle", "warm"}) {
      RETURN_IF_ERROR(contest.Do(*contestant, step));
    }
  }
  contest.scratch().Flush();  // so that no writeback runs beside the rows
  return absl::OkStatus();
}

absl::Status RunInTurns(Contest& contest, Stage stage) {
  for (const Row* row : contest.RowsOf(stage)) {
    for (Contestant* contestant : contest.Shuffled()) {
      // Or the kernel would write to the device, beside this one, what another one has stored.
      if (row->writes()) contest.scratch().Flush();
      RETURN_IF_ERROR(contest.Do(*contestant, row->step, row));
    }
  }
  return absl::OkStatus();
}

absl::Status RunCompactions(Contest& contest) {
  for (Contestant* contestant : contest.Shuffled()) {
    RETURN_IF_ERROR(contest.Do(*contestant, "compact"));
    RETURN_IF_ERROR(CloseAndWeigh(contest, *contestant, "size-compact"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string SharedDirectory(const Contest& contest, const Contestant& contestant) {
  return contest.scratch().path() + "/" + contestant.name();
}

absl::Status RunSortedLoads(Contest& contest, const Workload& workload) {
  if (contest.RowsOf(Stage::kSortedLoad).empty()) return absl::OkStatus();
  for (Contestant* contestant : contest.Shuffled()) {
    std::string directory = contest.scratch().Fresh(contestant->name());
    RETURN_IF_ERROR(
        contest.StartWorker(*contestant, {.workload = workload, .directory = directory}));
    RETURN_IF_ERROR(contest.Do(*contestant, "open"));
    RETURN_IF_ERROR(contest.Do(*contestant, "append", contest.Chosen("append")));
    RETURN_IF_ERROR(CloseAndWeigh(contest, *contestant, "size-append"));
    contestant->worker.reset();
    contest.scratch().Fresh(contestant->name());
  }
  return absl::OkStatus();
}

absl::Status RunSharedDatabase(Contest& contest, const Workload& workload) {
  bool larger_than_memory = !contest.RowsOf(Stage::kLargerThanMemory).empty();
  bool compactions = !contest.RowsOf(Stage::kCompacted).empty();
  bool in_turns = !contest.RowsOf(Stage::kReads).empty() || !contest.RowsOf(Stage::kWrites).empty();
  bool loads = !contest.RowsOf(Stage::kRandomLoad).empty();
  if (!(loads || in_turns || compactions || larger_than_memory)) return absl::OkStatus();
  RETURN_IF_ERROR(RunRandomLoads(contest, workload));
  if (in_turns || compactions || larger_than_memory) RETURN_IF_ERROR(PrepareForReads(contest));
  RETURN_IF_ERROR(RunInTurns(contest, Stage::kReads));
  RETURN_IF_ERROR(RunInTurns(contest, Stage::kWrites));
  if (compactions) RETURN_IF_ERROR(RunCompactions(contest));
  if (larger_than_memory) RETURN_IF_ERROR(RunLargerThanMemory(contest, workload));
  for (Contestant* contestant : contest.Shuffled()) {
    contestant->worker.reset();
    contest.scratch().Fresh(contestant->name());
  }
  return absl::OkStatus();
}

}  // namespace espalier::bench
