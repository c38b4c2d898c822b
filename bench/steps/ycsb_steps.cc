#include "bench/steps/ycsb_steps.h"

#include "bench/steps/read_steps.h"
#include "bench/steps/stopwatch.h"
#include "bench/steps/write_steps.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kOperationsPerBatch = 100;
constexpr uint64_t kLongestScan = 100;

// One client of a YCSB workload.
class Client {
 public:
  Client(Workbench& bench, uint64_t seed)
      : bench_(bench),
        session_(bench.database->NewSession()),
        random_(seed),
        generation_(seed),
        next_draw_(random_.Below(bench.workload.zipfian.size())) {}

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool Chance(double probability) { return random_.NextDouble() < probability; }

  void Read() {
    Touch touch;
    session_->BeginRead();
    TouchFound(session_->Get(Dataset::KeyOf(DrawIndex())), touch);
    session_->EndRead();
    Keep(touch);
  }

  void Update() { PutInTransaction(*session_, bench_.dataset(), DrawIndex(), ++generation_); }

  void ReadModifyWrite() {
    Touch touch;
    uint64_t index = DrawIndex();
    session_->BeginWrite();
    TouchFound(session_->Get(Dataset::KeyOf(index)), touch);
    session_->Put(Dataset::KeyOf(index), bench_.dataset().ValueOf(index, ++generation_));
    session_->Commit();
    Keep(touch);
  }

  void Scan() {
    session_->BeginRead();
    Touch touch = session_->Scan(Dataset::KeyOf(DrawIndex()), 1 + random_.Below(kLongestScan));
    session_->EndRead();
    Keep(touch);
  }

  void Insert() {
    PutInTransaction(*session_, bench_.dataset(),
                     bench_.dataset().record_count() + bench_.inserted_count, 0);
    ++bench_.inserted_count;
  }

 private:
  uint64_t DrawIndex() {
    uint64_t index = bench_.workload.zipfian[next_draw_];
    if (++next_draw_ == bench_.workload.zipfian.size()) next_draw_ = 0;
    return index;
  }

  static void Keep(const Touch& touch) { asm volatile("" : : "r"(touch.sum()) : "memory"); }

  Workbench& bench_;
  std::unique_ptr<Session> session_;
  Random random_;
  uint64_t generation_;
  uint64_t next_draw_;
};

template <class Operation>
double OperationRate(Workbench& bench, const StepOptions& options, Operation&& operation) {
  Client client(bench, options.seed);
  return WarmRatePerSecond(options.warmup_seconds, options.seconds, [&] {
    for (uint64_t i = 0; i < kOperationsPerBatch; ++i) operation(client);
    return kOperationsPerBatch;
  });
}

double ReadOrUpdateRate(Workbench& bench, const StepOptions& options, double read_share) {
  return OperationRate(bench, options, [&](Client& client) {
    client.Chance(read_share) ? client.Read() : client.Update();
  });
}

}  // namespace

double YcsbA(Workbench& bench, const StepOptions& options) {
  return ReadOrUpdateRate(bench, options, 0.5);
}

double YcsbB(Workbench& bench, const StepOptions& options) {
  return ReadOrUpdateRate(bench, options, 0.95);
}

double YcsbC(Workbench& bench, const StepOptions& options) {
  return OperationRate(bench, options, [](Client& client) { client.Read(); });
}

double YcsbE(Workbench& bench, const StepOptions& options) {
  return OperationRate(bench, options, [](Client& client) {
    client.Chance(0.95) ? client.Scan() : client.Insert();
  });
}

double YcsbF(Workbench& bench, const StepOptions& options) {
  return OperationRate(bench, options, [](Client& client) {
    client.Chance(0.5) ? client.Read() : client.ReadModifyWrite();
  });
}

}  // namespace espalier::bench
