#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/run/block_device.h"
#include "bench/run/stages.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

struct Size {
  std::string_view name;  // within that of a row
  uint64_t raw_bytes;
};
constexpr std::array kSizes = {Size{"100mb", 100'000'000}, Size{"2gb", 2'000'000'000}};

// The rows of a size, "*" being its name. Opening a closed database leaves a cold one cold, and to
// fill the log of that would be to read it page by page: hence it comes last.
constexpr std::array kOrder = {std::string_view("open-*-warm"), std::string_view("recover-*-warm"),
                               std::string_view("recover-*-cold"), std::string_view("open-*-cold")};

// The database is opened by a process that has never seen it. Its files are in the page cache as
// the last one left them, or not at all.
absl::Status MeasureOpening(Contest& contest, Contestant& contestant, const Start& start,
                            const Row& row) {
  contestant.worker.reset();
  if (row.name.ends_with("-cold")) contest.scratch().DropFromPageCache(contestant.name());
  RETURN_IF_ERROR(contest.StartWorker(contestant, start));
  RETURN_IF_ERROR(contest.Do(contestant, row.step, &row));
  return contest.Do(contestant, "close");
}

// The end of a worker with an open database is SIGKILL.
absl::Status FillLogAndDie(Contest& contest, Contestant& contestant, const Start& start) {
  RETURN_IF_ERROR(contest.StartWorker(contestant, start));
  RETURN_IF_ERROR(contest.Do(contestant, "open"));
  RETURN_IF_ERROR(contest.Do(contestant, "fill-log"));
  contestant.worker.reset();
  return absl::OkStatus();
}

absl::Status MeasureSize(Contest& contest, Contestant& contestant, const Size& size) {
  const uint64_t record_bytes = kKeySizeBytes + contest.options().value_size_bytes;
  const Workload workload(size.raw_bytes / record_bytes, contest.options().value_size_bytes, 0);
  const Start start{.workload = workload, .directory = contest.scratch().Fresh(contestant.name())};
  RETURN_IF_ERROR(contest.StartWorker(contestant, start));
  for (std::string_view step : {"open", "append", "close"}) {
    RETURN_IF_ERROR(contest.Do(contestant, step));
  }
  for (std::string_view pattern : kOrder) {
    const Row* const row =
        contest.Chosen(absl::StrReplaceAll(std::string(pattern), {{"*", std::string(size.name)}}));
    if (row == nullptr) continue;
    if (pattern.starts_with("recover")) {
      RETURN_IF_ERROR(FillLogAndDie(contest, contestant, start));
      if (!contestant.failure.empty()) {
        contest.RecordFailure(contestant, *row, contestant.failure);
        continue;
      }
    }
    RETURN_IF_ERROR(MeasureOpening(contest, contestant, start, *row));
  }
  return absl::OkStatus();
}

std::vector<const Row*> RowsOf(const Contest& contest, const Size& size) {
  std::vector<const Row*> rows = contest.RowsOf(Stage::kRecovery);
  const std::string part = absl::StrCat("-", std::string(size.name), "-");
  std::erase_if(rows,
                [&](const Row* row) { return row->name.find(part) == std::string_view::npos; });
  return rows;
}

void RecordNotRun(Contest& contest, const std::vector<const Row*>& rows, const std::string& why) {
  for (const Row* row : rows) contest.RecordNotRun(*row, why);
}

absl::Status RunSize(Contest& contest, Contestant& contestant, const Size& size) {
  const std::vector<const Row*> rows = RowsOf(contest, size);
  if (rows.empty()) return absl::OkStatus();
  if (size.raw_bytes > contest.options().largest_database_bytes) {
    RecordNotRun(contest, rows, "takes too long for a quick run");
    return absl::OkStatus();
  }
  const absl::Status status = MeasureSize(contest, contestant, size);
  contestant.worker.reset();
  return status;
}

}  // namespace

absl::Status RunRecovery(Contest& contest) {
  const std::vector<const Row*> rows = contest.RowsOf(Stage::kRecovery);
  if (rows.empty()) return absl::OkStatus();
  if (const auto device = BlockDevice::Under(contest.scratch().path()); !device.ok()) {
    RecordNotRun(contest, rows, std::string(device.status().message()));
    return absl::OkStatus();
  }
  for (Contestant* contestant : contest.Shuffled()) {
    // What a crash leaves of a rival's log is not the same work: its size is another.
    if (contestant->name() != kOwnEngine) continue;
    for (const Size& size : kSizes) {
      RETURN_IF_ERROR(RunSize(contest, *contestant, size));
    }
    contest.scratch().Fresh(contestant->name());
  }
  return absl::OkStatus();
}

}  // namespace espalier::bench
