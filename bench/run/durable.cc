#include <algorithm>
#include <array>
#include <utility>

#include "bench/run/block_device.h"
#include "bench/run/flush_tracer.h"
#include "bench/run/stages.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

// The ways to flush 4 KiB, each a step and a row of its own.
constexpr std::array kFlushSteps = {
    std::string_view("flush-fdatasync"), std::string_view("flush-rwf-dsync"),
    std::string_view("flush-direct"),    std::string_view("flush-direct-dsync"),
    std::string_view("flush-msync"),
};

// Takes part where rates are held against what the disk can do.
const Adapter& DeviceAsEngine() {
  static const Adapter kDevice = {.name = kDeviceName,
                                  .version = nullptr,
                                  .commits_survive_process_death = true,
                                  .settings = nullptr,
                                  .open = nullptr};
  return kDevice;
}

bool IsFlushStep(std::string_view step) {
  return std::find(kFlushSteps.begin(), kFlushSteps.end(), step) != kFlushSteps.end();
}

// A cell has as much time as any other for all ways together.
StepOptions OptionsOfWay(Contest& contest, const Row& row) {
  StepOptions options = contest.OptionsOf(&row);
  options.seconds /= kFlushSteps.size();
  return options;
}

absl::Status MeasureWay(Contest& contest, Contestant& device, const Row& row) {
  ASSIGN_OR_RETURN(const std::optional<double> rate,
                   contest.Ask(device, row.step, OptionsOfWay(contest, row)));
  if (rate.value_or(0) > 0) {
    contest.Record(device, row, *rate);
  } else {
    contest.RecordFailure(device, row, rate ? "the file system does not know it" : device.failure);
  }
  return absl::OkStatus();
}

// The best way counts.
absl::Status MeasureDevice(Contest& contest, Contestant& device, const Row& row) {
  double best = 0;
  for (std::string_view step : kFlushSteps) {
    ASSIGN_OR_RETURN(const std::optional<double> rate,
                     contest.Ask(device, step, OptionsOfWay(contest, row)));
    best = std::max(best, rate.value_or(0));
  }
  if (device.failure.empty()) {
    contest.Record(device, row, best);
  } else {
    contest.RecordFailure(device, row, device.failure);
  }
  return absl::OkStatus();
}

// One cell of two rows, whichever of them `row` is: the rate of single puts and, with the flush
// that concludes them, the bytes that the device was given for each. What the loads and other turns
// left to be written is flushed before.
absl::Status MeasureSinglePuts(Contest& contest, Contestant& contestant, const Row& row,
                               const BlockDevice& block_device) {
  const Row* const bytes_row = contest.Chosen("durable-bytes");
  RETURN_IF_ERROR(contest.Ask(contestant, "take-durable-puts", {}).status());
  ASSIGN_OR_RETURN(const uint64_t before, block_device.BytesWritten());
  RETURN_IF_ERROR(contest.Do(contestant, "durable-put-1", contest.Chosen("durable-put-1"),
                             contest.OptionsOf(&row)));
  if (bytes_row == nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(contest.Do(contestant, "flush"));
  contest.scratch().Flush();
  ASSIGN_OR_RETURN(const uint64_t after, block_device.BytesWritten());
  ASSIGN_OR_RETURN(const std::optional<double> puts,
                   contest.Ask(contestant, "take-durable-puts", {}));
  if (puts.has_value()) {
    contest.Record(contestant, *bytes_row, static_cast<double>(after - before) / *puts);
  } else {
    contest.RecordFailure(contestant, *bytes_row, contestant.failure);
  }
  return absl::OkStatus();
}

absl::Status MeasureTurn(Contest& contest, Contestant& contestant, const Row& row,
                         const BlockDevice& block_device) {
  contest.scratch().Flush();  // so that no writeback of another's turn runs beside this one
  if (contestant.engine == &DeviceAsEngine()) return MeasureDevice(contest, contestant, row);
  if (row.step == "durable-put-1") return MeasureSinglePuts(contest, contestant, row, block_device);
  return contest.Do(contestant, row.step, &row);
}

bool IsHeldAgainstDevice(const Row& row) {
  return std::any_of(row.bars.begin(), row.bars.end(),
                     [](const Bar& bar) { return bar.reference == kDeviceName; });
}

absl::Status RunRows(Contest& contest, Contestant& device, const BlockDevice& block_device) {
  bool single_puts_done = false;
  for (const Row* row : contest.RowsOf(Stage::kDurable)) {
    if (IsFlushStep(row->step)) {
      RETURN_IF_ERROR(MeasureWay(contest, device, *row));
      continue;
    }
    if (row->step == "durable-put-1" && std::exchange(single_puts_done, true)) continue;
    for (Contestant* contestant :
         IsHeldAgainstDevice(*row) ? contest.ShuffledWith(device) : contest.Shuffled()) {
      RETURN_IF_ERROR(MeasureTurn(contest, *contestant, *row, block_device));
    }
  }
  return absl::OkStatus();
}

// By commits that find log and caches in use, with no checkpoint due among them.
absl::Status CountFlushesOf(Contest& contest, Contestant& contestant, const Row& row) {
  RETURN_IF_ERROR(contest.Do(contestant, "flush"));
  RETURN_IF_ERROR(contest.Do(contestant, row.step));
  if (!contestant.failure.empty()) {
    contest.RecordFailure(contestant, row, contestant.failure);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<FlushTracer>> tracer =
      FlushTracer::Attach(contestant.worker->pid(), contest.scratch().path() + "/trace");
  if (!tracer.ok()) {
    contest.RecordNotRun(row, std::string(tracer.status().message()));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::optional<double> commits,
                   contest.Ask(contestant, row.step, contest.OptionsOf(&row)));
  const absl::StatusOr<uint64_t> flushes = (*tracer)->Finish();
  if (commits.has_value() && flushes.ok()) {
    contest.Record(contestant, row, static_cast<double>(*flushes) / *commits);
  } else {
    contest.RecordFailure(
        contestant, row,
        commits.has_value() ? std::string(flushes.status().message()) : contestant.failure);
  }
  return absl::OkStatus();
}

// Loaded in order, settled and warm: the writes of the rows find all of it in memory.
absl::Status Prepare(Contest& contest, Contestant& device, const Workload& workload) {
  RETURN_IF_ERROR(contest.StartWorker(
      device, {.workload = workload, .directory = contest.scratch().Fresh(device.name())}));
  RETURN_IF_ERROR(contest.Do(device, "make-flush-file"));
  for (Contestant* contestant : contest.Shuffled()) {
    RETURN_IF_ERROR(
        contest.StartWorker(*contestant, {.workload = workload,
                                          .directory = contest.scratch().Fresh(contestant->name()),
                                          .durable = true}));
    for (std::string_view step : {"open", "append", "settle", "warm", "flush"}) {
      RETURN_IF_ERROR(contest.Do(*contestant, step));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunDurable(Contest& contest, const Workload& workload) {
  std::vector<const Row*> rows = contest.RowsOf(Stage::kDurable);
  const std::vector<const Row*> traced = contest.RowsOf(Stage::kCommitFlushes);
  if (rows.empty() && traced.empty()) return absl::OkStatus();
  const absl::StatusOr<BlockDevice> block_device = BlockDevice::Under(contest.scratch().path());
  if (!block_device.ok()) {
    rows.insert(rows.end(), traced.begin(), traced.end());
    for (const Row* row : rows)
      contest.RecordNotRun(*row, std::string(block_device.status().message()));
    return absl::OkStatus();
  }
  Contestant device{.engine = &DeviceAsEngine(), .worker = {}, .failure = {}};
  RETURN_IF_ERROR(Prepare(contest, device, workload));
  RETURN_IF_ERROR(RunRows(contest, device, *block_device));
  for (const Row* row : traced) {
    for (Contestant* contestant : contest.Shuffled()) {
      RETURN_IF_ERROR(CountFlushesOf(contest, *contestant, *row));
    }
  }
  for (Contestant* contestant : contest.ShuffledWith(device)) {
    contestant->worker.reset();
    contest.scratch().Fresh(contestant->name());
  }
  return absl::OkStatus();
}

}  // namespace espalier::bench
