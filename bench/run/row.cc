#include "bench/run/row.h"

#include <array>

namespace espalier::bench {
namespace {

constexpr std::string_view kOperations = "operations/s";
constexpr std::string_view kRecords = "records/s";
constexpr std::string_view kTimesRaw = "x raw bytes";

constexpr std::string_view kTimesStart = "x size at start";
constexpr std::string_view kTimesChanged = "x bytes changed";
constexpr std::string_view kFlushes = "flushes/s";
constexpr std::string_view kMilliseconds = "ms";

constexpr Row Rate(std::string_view name, std::string_view title, std::string_view unit, double bar,
                   Stage stage) {
  return {name, title, unit, {Bar{bar, kBestRival}}, stage, name};
}

constexpr Row Size(std::string_view name, std::string_view title, double bar, Stage stage) {
  return {name, title, kTimesRaw, {Bar{bar, {}}}, stage, "size"};
}

constexpr Row LargerThanMemory(std::string_view name, std::string_view title, std::string_view unit,
                               std::string_view step) {
  return {name, title, unit, {}, Stage::kLargerThanMemory, step};
}

constexpr Row Ratio(std::string_view name, std::string_view title, std::string_view unit,
                    double bar, Stage stage) {
  return {name, title, unit, {Bar{bar, {}}}, stage, name};
}

constexpr Row Durable(std::string_view name, std::string_view title, std::array<Bar, 3> bars) {
  return {name, title, kOperations, bars, Stage::kDurable, name};
}

// What the disk can do; the rates of durable rows are held against the best of these.
constexpr Row DeviceFlush(std::string_view name, std::string_view title) {
  return {name, title, kFlushes, {}, Stage::kDurable, name};
}

constexpr Row Recovery(std::string_view name, std::string_view title, double bar) {
  return {name, title, kMilliseconds, {Bar{bar, {}}}, Stage::kRecovery, "open-and-get"};
}

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
    Row{"size-loading",
        "file size while loading at random, at its largest",
        kTimesRaw,
        {Bar{3.3, {}}},
        Stage::kRandomLoad,
        "size-loading"},
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
    DeviceFlush("flush-fdatasync", "4 KiB flushed by pwrite, fdatasync"),
    DeviceFlush("flush-rwf-dsync", "4 KiB flushed by pwritev2 with RWF_DSYNC"),
    DeviceFlush("flush-direct", "4 KiB flushed by pwrite with O_DIRECT, fdatasync"),
    DeviceFlush("flush-direct-dsync", "4 KiB flushed by pwrite with O_DIRECT | O_DSYNC"),
    DeviceFlush("flush-msync", "4 KiB flushed by msync"),
    Durable("durable-put-1", "durable Put, one a transaction, 1 thread",
            {Bar{0.9, kDeviceName}, Bar{1, kBestRival}, Bar{2, "lmdb"}}),
    Durable("durable-put-8", "durable Put, one a transaction, 8 threads",
            {Bar{3, kDeviceName}, Bar{1.2, kBestRival}}),
    Durable("durable-put-100", "durable Put, 100 a transaction",
            {Bar{1, kBestRival}, Bar{4, "lmdb"}}),
    Durable("durable-put-1000", "durable Put, 1,000 a transaction",
            {Bar{1, kBestRival}, Bar{4, "lmdb"}}),
    Row{"durable-bytes",
        "bytes to the device, one durable Put a transaction",
        "bytes/Put",
        {Bar{0.25, "lmdb"}},
        Stage::kDurable,
        "durable-put-1"},
    Row{"durable-flushes",
        "flushes, one durable Put a transaction",
        "flushes/Put",
        {Bar{1, {}}},
        Stage::kCommitFlushes,
        "durable-commits"},
    Recovery("recover-100mb-warm", "usable after SIGKILL, 100 MB, warm cache", 2'000),
    Recovery("recover-100mb-cold", "usable after SIGKILL, 100 MB, cold cache", kNoBar),
    Recovery("recover-2gb-warm", "usable after SIGKILL, 2 GB, warm cache", 2'000),
    Recovery("recover-2gb-cold", "usable after SIGKILL, 2 GB, cold cache", kNoBar),
    Recovery("open-2gb-warm", "usable after a clean close, 2 GB, warm cache", 10),
    Recovery("open-2gb-cold", "usable after a clean close, 2 GB, cold cache", 100),
};

}  // namespace

std::span<const Row> AllRows() { return kRows; }

}  // namespace espalier::bench
