#include "bench/steps/durable_steps.h"

#include <barrier>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "bench/steps/stopwatch.h"
#include "bench/steps/write_steps.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kThreads = 8;
constexpr uint64_t kCommits = 1'000;

struct Putter {
  uint64_t number;   // of this thread
  uint64_t threads;  // in all
  uint64_t puts = 0;
};

// A thread puts records of its own, so that no engine has to resolve a conflict.
uint64_t RandomIndex(const Putter& putter, const Dataset& dataset, Random& random) {
  return random.Below(dataset.record_count() / putter.threads) * putter.threads + putter.number;
}

double PutRate(Workbench& bench, const StepOptions& options, uint64_t puts_per_transaction,
               Putter& putter) {
  const Dataset& dataset = bench.dataset();
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed + putter.number);
  return WarmRatePerSecond(options.warmup_seconds, options.seconds, [&] {
    session->BeginPuts();
    for (uint64_t i = 0; i < puts_per_transaction; ++i) {
      const uint64_t index = RandomIndex(putter, dataset, random);
      session->Put(Dataset::KeyOf(index), dataset.ValueOf(index, options.seed + ++putter.puts));
    }
    session->Commit();
    return puts_per_transaction;
  });
}

double PutOneThread(Workbench& bench, const StepOptions& options, uint64_t puts_per_transaction) {
  Putter putter{.number = 0, .threads = 1};
  const double rate = PutRate(bench, options, puts_per_transaction, putter);
  bench.durable_puts += putter.puts;
  return rate;
}

}  // namespace

double DurablePutOneThread(Workbench& bench, const StepOptions& options) {
  return PutOneThread(bench, options, 1);
}

double DurablePut100(Workbench& bench, const StepOptions& options) {
  return PutOneThread(bench, options, 100);
}

double DurablePut1000(Workbench& bench, const StepOptions& options) {
  return PutOneThread(bench, options, 1'000);
}

double DurablePutEightThreads(Workbench& bench, const StepOptions& options) {
  std::barrier start(kThreads);
  std::vector<double> rates(kThreads);
  std::vector<Putter> putters;
  for (uint64_t number = 0; number < kThreads; ++number) putters.push_back({number, kThreads});
  {
    std::vector<std::jthread> threads;
    for (uint64_t number = 0; number < kThreads; ++number) {
      threads.emplace_back([&, number] {
        start.arrive_and_wait();
        rates[number] = PutRate(bench, options, 1, putters[number]);
      });
    }
  }
  for (const Putter& putter : putters) bench.durable_puts += putter.puts;
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

double TakeDurablePuts(Workbench& bench, const StepOptions&) {
  return static_cast<double>(std::exchange(bench.durable_puts, 0));
}

double DurableCommits(Workbench& bench, const StepOptions& options) {
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed);
  for (uint64_t commit = 0; commit < kCommits; ++commit) {
    PutInTransaction(*session, bench.dataset(), random.Below(bench.dataset().record_count()),
                     options.seed + commit);
  }
  return kCommits;
}

}  // namespace espalier::bench
