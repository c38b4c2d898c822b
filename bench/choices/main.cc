// The figures behind docs/decisions/: what a choice of the design costs or saves. Each benchmark
// names its decision. Not for comparison with other engines; that is what bench/main.cc is for.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/workload/dataset.h"
#include "bench/workload/random.h"
#include "benchmark/benchmark.h"
#include "espalier/espalier.h"
#include "xxhash.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kRecords = 1'000'000;
constexpr uint64_t kValueBytes = 100;

// The value of a call that must not fail here.
template <typename T>
T Need(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

void Need(const absl::Status& status) {
  Need(status.ok() ? absl::StatusOr<int>(0) : absl::StatusOr<int>(status));
}

// `prefix_bytes` equal bytes, then the key of record `index`.
std::string LongKeyOf(uint64_t index, int64_t prefix_bytes) {
  const Key key = Dataset::KeyOf(index);
  return std::string(static_cast<size_t>(prefix_bytes), 'p').append(std::string_view(key));
}

// A database in memory with kRecords records, put in random order.
Database Load(const Options& options, int64_t prefix_bytes = 0) {
  const Dataset dataset(kRecords, kValueBytes);
  Database database = Need(Database::OpenInMemory(options));
  for (uint64_t i = 0; i < kRecords;) {
    WriteTransaction write = Need(database.BeginWrite());
    for (const uint64_t end = i + 1000; i < end; ++i) {
      Need(write.Put(database.default_keyspace(), LongKeyOf(i, prefix_bytes), dataset.ValueOf(i)));
    }
    Need(write.Commit());
  }
  return database;
}

uint64_t NextIndex(uint64_t& state) { return (state = Mix64(state + 1)) % kRecords; }

// Decision 1. A random Get, with so many equal bytes before all keys.
void BM_GetBehindPrefix(benchmark::State& state) {
  Database database = Load({}, state.range(0));
  const ReadTransaction read = Need(database.BeginRead());
  uint64_t random = 1;
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(
        read.Get(database.default_keyspace(), LongKeyOf(NextIndex(random), state.range(0))));
  }
  const double raw_bytes =
      kRecords * (static_cast<double>(state.range(0)) + kKeySizeBytes + kValueBytes);
  state.counters["file/raw"] =
      static_cast<double>(Need(database.GetStats()).file_bytes) / raw_bytes;
}
BENCHMARK(BM_GetBehindPrefix)->ArgName("prefix")->Arg(0)->Arg(16)->Arg(64)->Arg(256);

// Decision 3. The checksum of a page, in the processor's cache.
void BM_ChecksumOfPage(benchmark::State& state) {
  const std::string page(static_cast<size_t>(state.range(0)), 'x');
  uint64_t seed = 0;
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(XXH3_64bits_withSeed(page.data() + 8, page.size() - 8, ++seed));
  }
}
BENCHMARK(BM_ChecksumOfPage)->ArgName("bytes")->Arg(4096)->Arg(65536);

// Decisions 3 and 6. A transaction that overwrites a random record, without (0) and with a second,
// write-protected mapping for reading.
void BM_CommitOfOnePut(benchmark::State& state) {
  Database database = Load({.protect_from_stray_stores = state.range(0) != 0});
  const Dataset dataset(kRecords, kValueBytes);
  uint64_t random = 1;
  for ([[maybe_unused]] auto _ : state) {
    const uint64_t index = NextIndex(random);
    benchmark::DoNotOptimize(database.Put(database.default_keyspace(), Dataset::KeyOf(index),
                                          dataset.ValueOf(index, random)));
  }
}
BENCHMARK(BM_CommitOfOnePut)->ArgName("protect")->Arg(0)->Arg(1);

// Decision 6. A random Get through either.
void BM_Get(benchmark::State& state) {
  Database database = Load({.protect_from_stray_stores = state.range(0) != 0});
  const ReadTransaction read = Need(database.BeginRead());
  uint64_t random = 1;
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(
        read.Get(database.default_keyspace(), Dataset::KeyOf(NextIndex(random))));
  }
}
BENCHMARK(BM_Get)->ArgName("protect")->Arg(0)->Arg(1);

// Decision 6. Loading with either: each page is written, and read, for the first time.
void BM_Load(benchmark::State& state) {
  for ([[maybe_unused]] auto _ : state) Load({.protect_from_stray_stores = state.range(0) != 0});
}
BENCHMARK(BM_Load)->ArgName("protect")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

// Decision 8. Beginning and ending a read transaction.
void BM_BeginRead(benchmark::State& state) {
  static Database database = Need(Database::OpenInMemory({}));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(Need(database.BeginRead()));
}
BENCHMARK(BM_BeginRead)->Threads(1)->Threads(2);

// Decision 11. What is left of the file's size for each byte of raw data after so many of a hundred
// records, chosen at random, were deleted; and after Compact().
void BM_FillAfterDeletes(benchmark::State& state) {
  double reachable = 0;
  double compacted = 0;
  for ([[maybe_unused]] auto _ : state) {
    Database database = Load({});
    uint64_t left = 0;
    for (uint64_t i = 0; i < kRecords;) {
      WriteTransaction write = Need(database.BeginWrite());
      for (const uint64_t end = i + 1000; i < end; ++i) {
        if (static_cast<int64_t>(Mix64(i) % 100) < state.range(0)) {
          Need(write.Delete(database.default_keyspace(), Dataset::KeyOf(i)));
        } else {
          ++left;
        }
      }
      Need(write.Commit());
    }
    Need(database.Checkpoint());
    const double raw_bytes = static_cast<double>(left) * (kKeySizeBytes + kValueBytes);
    const Stats stats = Need(database.GetStats());
    reachable = static_cast<double>(stats.reachable_pages * stats.page_size_bytes) / raw_bytes;
    compacted = static_cast<double>(Need(database.Compact()).file_bytes_after) / raw_bytes;
  }
  state.counters["reachable/raw"] = reachable;
  state.counters["compacted/raw"] = compacted;
}
BENCHMARK(BM_FillAfterDeletes)
    ->ArgName("deleted")
    ->Arg(0)
    ->Arg(50)
    ->Arg(80)
    ->Arg(95)
    ->Arg(99)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace espalier::bench

BENCHMARK_MAIN();
