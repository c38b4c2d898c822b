#include "bench/steps/read_steps.h"

#include <array>
#include <barrier>
#include <functional>
#include <thread>

#include "bench/adapters/die.h"
#include "bench/steps/stopwatch.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kGetsPerTransaction = 1'000;
constexpr size_t kKeysPerMultiGet = 32;
constexpr uint64_t kMultiGetsPerTransaction = 32;
constexpr uint64_t kShortScanRecords = 100;
constexpr uint64_t kShortScansPerBatch = 10;
constexpr uint64_t kNoLimit = ~uint64_t{0};
constexpr std::string_view kBelowAllKeys("\0", 1);  // not every engine takes an empty key

// Keeps the compiler from dropping the reads whose result nobody uses.
void Consume(const Touch& touch) { asm volatile("" : : "r"(touch.sum()) : "memory"); }

double GetRate(Workbench& bench, const StepOptions& options, uint64_t seed) {
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(seed);
  return WarmRatePerSecond(options.warmup_seconds, options.seconds, [&] {
    GetAtRandom(bench, *session, random, kGetsPerTransaction);
    return kGetsPerTransaction;
  });
}

uint64_t MultiGetAtRandom(Workbench& bench, Session& session, Random& random) {
  std::array<Key, kKeysPerMultiGet> keys;
  std::array<std::string_view, kKeysPerMultiGet> views;
  std::array<std::string_view, kKeysPerMultiGet> values;
  Touch touch;
  session.BeginRead();
  for (uint64_t call = 0; call < kMultiGetsPerTransaction; ++call) {
    for (size_t i = 0; i < kKeysPerMultiGet; ++i) {
      keys[i] = Dataset::KeyOf(random.Below(bench.dataset().record_count()));
      views[i] = keys[i];
    }
    session.MultiGet(views, values);
    for (std::string_view value : values) TouchFound(value, touch);
  }
  session.EndRead();
  Consume(touch);
  return kMultiGetsPerTransaction * kKeysPerMultiGet;
}

uint64_t ScanInTransaction(Session& session, std::string_view start, uint64_t limit) {
  session.BeginRead();
  Touch touch = session.Scan(start, limit);
  session.EndRead();
  Consume(touch);
  return touch.count();
}

}  // namespace

void TouchFound(std::string_view value, Touch& touch) {
  if (value.data() == nullptr) [[unlikely]]
    Die("bench", "a read row", "a key that was put is absent");
  touch(value);
}

void GetAtRandom(Workbench& bench, Session& session, Random& random, uint64_t count) {
  Touch touch;
  session.BeginRead();
  for (uint64_t i = 0; i < count; ++i) {
    TouchFound(session.Get(Dataset::KeyOf(random.Below(bench.dataset().record_count()))), touch);
  }
  session.EndRead();
  Consume(touch);
}

void ScanAll(Workbench& bench) {
  uint64_t expected = bench.dataset().record_count() + bench.inserted_count;
  if (ScanInTransaction(*bench.database->NewSession(), kBelowAllKeys, kNoLimit) != expected) {
    Die("bench", "full scan", "not every record that was put");
  }
}

double GetOneThread(Workbench& bench, const StepOptions& options) {
  return GetRate(bench, options, options.seed);
}

double GetTwoThreads(Workbench& bench, const StepOptions& options) {
  std::barrier start(2);
  std::array<double, 2> rates;
  auto run = [&](size_t thread) {
    start.arrive_and_wait();
    rates[thread] = GetRate(bench, options, options.seed + thread);
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  return rates[0] + rates[1];
}

double MultiGet32(Workbench& bench, const StepOptions& options) {
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed);
  return WarmRatePerSecond(options.warmup_seconds, options.seconds,
                           [&] { return MultiGetAtRandom(bench, *session, random); });
}

double ScanFull(Workbench& bench, const StepOptions& options) {
  std::unique_ptr<Session> session = bench.database->NewSession();
  return WarmRatePerSecond(options.warmup_seconds, options.seconds,
                           [&] { return ScanInTransaction(*session, kBelowAllKeys, kNoLimit); });
}

double Scan100(Workbench& bench, const StepOptions& options) {
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed);
  return WarmRatePerSecond(options.warmup_seconds, options.seconds, [&] {
    uint64_t records = 0;
    for (uint64_t scan = 0; scan < kShortScansPerBatch; ++scan) {
      Key start = Dataset::KeyOf(random.Below(bench.dataset().record_count()));
      records += ScanInTransaction(*session, start, kShortScanRecords);
    }
    return records;
  });
}

}  // namespace espalier::bench
