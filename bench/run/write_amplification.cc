#include <filesystem>

#include "absl/strings/str_cat.h"
#include "bench/run/loop_device.h"
#include "bench/run/stages.h"
#include "bench/run/status_macros.h"

namespace espalier::bench {
namespace {

// XFS asks for 300 MiB at least; the file is sparse.
constexpr uint64_t kImageBytes = 4ull << 30;

// The updates, and the row's figure: what the device took, over the bytes of the files that are
// different now.
absl::Status MeasureUpdates(Contest& contest, Contestant& contestant, const LoopDevice& device,
                            const Row* row) {
  RETURN_IF_ERROR(contest.Do(contestant, "remember-blocks"));
  ASSIGN_OR_RETURN(uint64_t before, device.FlushedBytes());
  RETURN_IF_ERROR(contest.Do(contestant, "scattered-updates"));
  ASSIGN_OR_RETURN(uint64_t after, device.FlushedBytes());
  ASSIGN_OR_RETURN(std::optional<double> changed, contest.Ask(contestant, "changed-bytes", {}));
  if (row == nullptr) return absl::OkStatus();
  if (changed) {
    contest.Record(contestant, *row, static_cast<double>(after - before) / *changed);
  } else {
    contest.RecordFailure(contestant, *row, contestant.failure);
  }
  return absl::OkStatus();
}

// As a backup would, or `cat`.
absl::Status ReadFilesInAnotherProcess(const Contestant& contestant, const std::string& directory,
                                       const Workload& workload) {
  Worker::Setup setup{.adapter = contestant.engine,
                      .workload = &workload,
                      .options = {.directory = directory},
                      .cgroup_directory = {}};
  ASSIGN_OR_RETURN(std::unique_ptr<Worker> reader, Worker::Start(setup));
  return reader->Do("read-files").status();
}

absl::Status MeasureOn(const std::string& type, LoopDevice& device, Contest& contest,
                       Contestant& contestant, const Workload& workload) {
  auto row = [&](std::string_view state) {
    return contest.Chosen("device-" + type + "-" + std::string(state));
  };
  std::string directory = device.mount_path() + "/" + contestant.name();
  std::filesystem::create_directory(directory);
  RETURN_IF_ERROR(contest.StartWorker(contestant, {.workload = workload, .directory = directory}));
  for (std::string_view step : {"open", "put-1000", "settle", "flush"}) {
    RETURN_IF_ERROR(contest.Do(contestant, step));
  }
  // Not the first updates after the load: by now free pages lie all over the file.
  for (uint64_t seed : {11, 12, 13}) {
    RETURN_IF_ERROR(contest.Ask(contestant, "scattered-updates", {.seed = seed}).status());
  }
  RETURN_IF_ERROR(MeasureUpdates(contest, contestant, device, row("self")));
  for (std::string_view state : {"cold", "cat"}) {
    RETURN_IF_ERROR(contest.Do(contestant, "close"));
    RETURN_IF_ERROR(device.Remount());
    if (state == "cat") {
      RETURN_IF_ERROR(ReadFilesInAnotherProcess(contestant, directory, workload));
    }
    RETURN_IF_ERROR(contest.Do(contestant, "open"));
    RETURN_IF_ERROR(MeasureUpdates(contest, contestant, device, row(state)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunWriteAmplification(Contest& contest, const Workload& small_workload) {
  std::vector<const Row*> rows = contest.RowsOf(Stage::kDevice);
  if (rows.empty()) return absl::OkStatus();
  for (Contestant* contestant : contest.Shuffled()) {
    for (const std::string& type : {std::string("ext4"), std::string("xfs")}) {
      bool chosen = false;
      for (const Row* row : rows)
        chosen |= row->name.find("-" + type + "-") != std::string_view::npos;
      if (!chosen) continue;
      absl::Status status;
      {
        absl::StatusOr<std::unique_ptr<LoopDevice>> device =
            LoopDevice::Create(type, contest.scratch().path() + "/image",
                               contest.scratch().path() + "/mount", kImageBytes);
        status = device.ok() ? MeasureOn(type, **device, contest, *contestant, small_workload)
                             : device.status();
        contestant->worker.reset();  // before its file system goes
      }
      if (absl::IsCancelled(status)) return status;
      if (status.ok()) continue;
      for (const Row* row : rows) {
        if (row->name.find("-" + type + "-") == std::string_view::npos) continue;
        contest.RecordFailure(*contestant, *row, std::string(status.message()));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace espalier::bench
