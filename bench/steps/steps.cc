// All steps by name. What a row measures is the step of the row's name.
#include <array>

#include "bench/steps/device_steps.h"
#include "bench/steps/durable_steps.h"
#include "bench/steps/flush_steps.h"
#include "bench/steps/growth_steps.h"
#include "bench/steps/life_steps.h"
#include "bench/steps/load_steps.h"
#include "bench/steps/read_steps.h"
#include "bench/steps/recovery_steps.h"
#include "bench/steps/workbench.h"
#include "bench/steps/write_steps.h"
#include "bench/steps/ycsb_steps.h"
#include "bench/workload/zipfian.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kZipfianSeed = 99;

constexpr std::array kSteps = {
    Step{"open", OpenDatabase},
    Step{"close", CloseDatabase},
    Step{"settle", SettleDatabase},
    Step{"warm", WarmDatabase},
    Step{"compact", CompactDatabase},
    Step{"flush", FlushDatabase},
    Step{"growth-50k", GrowthAfter50000},
    Step{"growth-200k", GrowthAfter200000},
    Step{"growth-flat", GrowthFlatness},
    Step{"remember-blocks", RememberBlocks},
    Step{"read-files", ReadFiles},
    Step{"scattered-updates", ScatteredUpdates},
    Step{"changed-bytes", ChangedBytes},
    Step{"append", AppendAll},
    Step{"put-1000", PutAll},
    Step{"size-loading", PeakDiskBytesOverRawBytes},
    Step{"size", DiskBytesOverRawBytes},
    Step{"get-1", GetOneThread},
    Step{"get-2", GetTwoThreads},
    Step{"multiget-32", MultiGet32},
    Step{"scan-full", ScanFull},
    Step{"scan-100", Scan100},
    Step{"put-1", PutOne},
    Step{"ycsb-a", YcsbA},
    Step{"ycsb-b", YcsbB},
    Step{"ycsb-c", YcsbC},
    Step{"ycsb-e", YcsbE},
    Step{"ycsb-f", YcsbF},
    Step{"make-flush-file", MakeFlushFile},
    Step{"flush-fdatasync", FlushByFdatasync},
    Step{"flush-rwf-dsync", FlushByRwfDsync},
    Step{"flush-direct", FlushByDirectAndFdatasync},
    Step{"flush-direct-dsync", FlushByDirectDsync},
    Step{"flush-msync", FlushByMsync},
    Step{"durable-put-1", DurablePutOneThread},
    Step{"durable-put-8", DurablePutEightThreads},
    Step{"durable-put-100", DurablePut100},
    Step{"durable-put-1000", DurablePut1000},
    Step{"take-durable-puts", TakeDurablePuts},
    Step{"durable-commits", DurableCommits},
    Step{"fill-log", FillLog},
    Step{"open-and-get", OpenAndGet},
};

}  // namespace

const Step* FindStep(std::string_view name) {
  for (const Step& step : kSteps) {
    if (step.name == name) return &step;
  }
  return nullptr;
}

Workload::Workload(uint64_t record_count, uint64_t value_size_bytes, uint64_t zipfian_draws)
    : dataset(record_count, value_size_bytes), sorted_order(dataset.SortedOrder()) {
  Random random(kZipfianSeed);
  zipfian = ScrambledZipfian(record_count).DrawMany(zipfian_draws, random);
}

}  // namespace espalier::bench
