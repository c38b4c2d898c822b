#include "bench/run/row.h"

#include <array>

namespace espalier::bench {
namespace {

constexpr std::string_view kOperations = "operations/s";
constexpr std::string_view kRecords = "records/s";
constexpr std::string_view kTimesRaw = "x raw bytes";

constexpr Row Rate(std::string_view name, std::string_view title, std::string_view unit, double bar,
                   Stage stage) {
  return {name, title, unit, BarKind::kTimesBestRival, bar, stage, name};
}

constexpr Row Size(std::string_view name, std::string_view title, double bar, Stage stage) {
  return {name, title, kTimesRaw, BarKind::kAtMost, bar, stage, "size"};
}

constexpr Row LargerThanMemory(std::string_view name, std::string_view title, std::string_view unit,
                               std::string_view step) {
  return {name, title, unit, BarKind::kNone, 0, Stage::kLargerThanMemory, step};
}

constexpr Row Ratio(std::string_view name, std::string_view title, std::string_view unit,
                    double bar, Stage stage) {
  return {name, title, unit, bar > 0 ? BarKind::kAtMost : BarKind::kNone, bar, stage, name};
}

constexpr std::string_view kTimesStart = "x size at start";
constexpr std::string_view kTimesChanged = "x bytes changed";
constexpr double kNoBar = 0;

constexpr std::array kRows = {
    Rate("get-1", "random Get, 1 thread", kOperations, 1.5, Stage::kReads),
    Rate("get-2", "random Get, 2 threads", kOperations, 1.5, Stage::kReads),
    Rate("multiget-32", "MultiGet of 32 random keys, per key", "keys/s", 5, Stage::kReads),
    Rate("scan-full", "full scan", kRecords, 1.0, Stage::kReads),
    Rate("scan-100", "100-record scans from random starts", kRecords, 1.5, Stage::kReads),
    Rate("append", "sorted load", kRecords, 1.0, Stage::kSortedLoad),
    Rate("put-1000", "random Put, 1,000 a transaction", kRecords, 1.0, Stage::kRandomLoad),
    Rate("ycsb-c", "YCSB C", kOperations, 1.2, Stage::kReads),
    Rate("ycsb-e", "YCSB E", kOperations, 1.2, Stage::kWrites),
    Rate("ycsb-b", "YCSB B", kOperations, 1.2, Stage::kWrites),
    Rate("ycsb-f", "YCSB F", kOperations, 1.2, Stage::kWrites),
    Rate("ycsb-a", "YCSB A", kOperations, 1.2, Stage::kWrites),
    Rate("put-1", "random Put, one a transaction", kOperations, 1.0, Stage::kWrites),
    Size("size-append", "file size after a sorted load, closed", 1.15, Stage::kSortedLoad),
    Size("size-put-1000", "file size after a random load, closed", 1.70, Stage::kRandomLoad),
    Size("size-compact", "file size after Compact, closed", 1.20, Stage::kCompacted),
    Ratio("growth-50k", "growth beside an idle reader, 50,000 commits", kTimesStart, 3.2,
          Stage::kGrowth),
    Ratio("growth-200k", "growth beside an idle reader, 200,000 commits", kTimesStart, 3.2,
          Stage::kGrowth),
    Ratio("growth-flat", "the latter over the former", "x", 1.05, Stage::kGrowth),
    LargerThanMemory("larger-get", "larger than memory: random Get", kOperations, "get-1"),
    LargerThanMemory("larger-multiget", "larger than memory: MultiGet of 32, per key", "keys/s",
                     "multiget-32"),
    LargerThanMemory("larger-scan", "larger than memory: full scan", kRecords, "scan-full"),
    LargerThanMemory("larger-put", "larger than memory: random Put, one a transaction", kOperations,
                     "put-1"),
    Ratio("device-ext4-cold", "device writes, ext4, cold file", kTimesChanged, 2, Stage::kDevice),
    Ratio("device-ext4-self", "device writes, ext4, self-written file", kTimesChanged, 2,
          Stage::kDevice),
    Ratio("device-ext4-cat", "device writes, ext4, file read by another process", kTimesChanged,
          kNoBar, Stage::kDevice),
    Ratio("device-xfs-cold", "device writes, XFS, cold file", kTimesChanged, 2, Stage::kDevice),
    Ratio("device-xfs-self", "device writes, XFS, self-written file", kTimesChanged, 2,
          Stage::kDevice),
    Ratio("device-xfs-cat", "device writes, XFS, file read by another process", kTimesChanged,
          kNoBar, Stage::kDevice),
};

}  // namespace

std::span<const Row> AllRows() { return kRows; }

}  // namespace espalier::bench
