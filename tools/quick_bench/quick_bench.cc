#include "tools/quick_bench/quick_bench.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "tools/cli/stopwatch.h"

namespace espalier::tools {
namespace {

constexpr uint64_t kPutsPerTransaction = 1'000;
constexpr size_t kBatchKeys = 32;
constexpr size_t kKeyBytes = 16;
constexpr uint64_t kStepInterval = 256;  // operations between two looks at the clock

// A bijection on 64 bits that looks random (the finaliser of SplitMix64), so that keys are distinct
// and in random order without being stored.
uint64_t Mix(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return number ^ number >> 31;
}

class Key {
 public:
  explicit Key(uint64_t number) {
    static constexpr char kDigits[] = "0123456789abcdef";
    uint64_t mixed = Mix(number);
    for (char& c : digits_) {
      c = kDigits[mixed >> 60];
      mixed <<= 4;
    }
  }
  std::string_view view() const { return {digits_.data(), digits_.size()}; }

 private:
  std::array<char, kKeyBytes> digits_;
};

class QuickBench {
 public:
  QuickBench(Database& db, const BenchOptions& options, const BenchStep& step)
      : db_(db), options_(options), step_(step), value_(options.value_bytes, 'v') {}

  absl::StatusOr<std::vector<BenchRow>> Run() {
    using Workload = absl::Status (QuickBench::*)();
    const std::pair<const char*, Workload> workloads[] = {
        {"sorted load (Append)", &QuickBench::AppendSorted},
        {"random Put, 1,000 a transaction", &QuickBench::PutRandom},
        {"checkpoint", &QuickBench::TakeCheckpoint},
        {"random Get", &QuickBench::GetRandom},
        {"MultiGet of 32 random keys", &QuickBench::MultiGetRandom},
        {"full scan", &QuickBench::ScanAll},
        {"random Put, one a transaction", &QuickBench::PutSingly}};
    for (const auto& [name, workload] : workloads) {
      rows_.push_back({.name = name});
      if (!step_(name, 0, options_.entries)) return absl::AbortedError("interrupted");
      const Stopwatch stopwatch;
      if (absl::Status status = (this->*workload)(); !status.ok()) return status;
      rows_.back().duration = stopwatch.Elapsed();
    }
    return std::move(rows_);
  }

 private:
  // Called after each operation.
  absl::Status Count() {
    BenchRow& row = rows_.back();
    if (++row.operations % kStepInterval == 0 &&
        !step_(row.name, row.operations, options_.entries)) {
      return absl::AbortedError("interrupted");
    }
    return absl::OkStatus();
  }

  // The value's last byte is looked at, so that its memory is.
  absl::Status Touch(std::string_view value) {
    if (value.size() != value_.size() || (!value.empty() && value.back() != 'v')) {
      return absl::InternalError("the database gave a wrong value");
    }
    return absl::OkStatus();
  }

  // Calls `put` for the numbers from 0 on, in transactions of `per_transaction`.
  template <typename Put>
  absl::Status Write(uint64_t operations, uint64_t per_transaction, const Put& put) {
    for (uint64_t number = 0; number < operations;) {
      absl::StatusOr<WriteTransaction> txn = db_.BeginWrite();
      if (!txn.ok()) return txn.status();
      const uint64_t end = std::min(number + per_transaction, operations);
      for (; number < end; ++number) {
        if (absl::Status status = put(*txn, number); !status.ok()) return status;
        if (absl::Status status = Count(); !status.ok()) return status;
      }
      if (const auto token = txn->Commit(); !token.ok()) return token.status();
    }
    return absl::OkStatus();
  }

  absl::Status AppendSorted() {
    absl::StatusOr<Keyspace> keyspace = db_.OpenOrCreateKeyspace("sorted");
    if (!keyspace.ok()) return keyspace.status();
    return Write(options_.entries, kPutsPerTransaction,
                 [&](WriteTransaction& txn, uint64_t number) {
                   std::string key = std::to_string(number);
                   key.insert(0, kKeyBytes - key.size(), '0');
                   return txn.Append(*keyspace, key, value_);
                 });
  }

  absl::Status PutRandom() {
    return Write(options_.entries, kPutsPerTransaction,
                 [&](WriteTransaction& txn, uint64_t number) {
                   return txn.Put(db_.default_keyspace(), Key(number).view(), value_);
                 });
  }

  // Of existing keys, in another order than that in which they came.
  absl::Status PutSingly() {
    return Write(options_.entries / 10, 1, [&](WriteTransaction& txn, uint64_t number) {
      return txn.Put(db_.default_keyspace(), Key(Mix(number) % options_.entries).view(), value_);
    });
  }

  absl::Status TakeCheckpoint() {
    ++rows_.back().operations;
    return db_.Checkpoint();
  }

  absl::Status GetRandom() {
    const absl::StatusOr<ReadTransaction> txn = db_.BeginRead();
    if (!txn.ok()) return txn.status();
    for (uint64_t i = 0; i < options_.entries; ++i) {
      const auto value = txn->Get(db_.default_keyspace(), Key(Mix(i) % options_.entries).view());
      if (!value.ok()) return Missing(value.status());
      if (absl::Status status = Touch(*value); !status.ok()) return status;
      if (absl::Status status = Count(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status MultiGetRandom() {
    const absl::StatusOr<ReadTransaction> txn = db_.BeginRead();
    if (!txn.ok()) return txn.status();
    std::vector<Key> keys;
    std::vector<std::string_view> views;
    std::vector<std::optional<std::string_view>> values;
    for (uint64_t start = 0; start < options_.entries; start += kBatchKeys) {
      const size_t count = std::min<uint64_t>(kBatchKeys, options_.entries - start);
      keys.clear();
      views.clear();
      for (size_t i = 0; i < count; ++i) keys.emplace_back(Mix(start + i) % options_.entries);
      for (const Key& key : keys) views.push_back(key.view());
      values.assign(count, std::nullopt);
      absl::Status status = txn->MultiGet(db_.default_keyspace(), views, absl::MakeSpan(values));
      for (size_t i = 0; status.ok() && i < count; ++i) {
        status = values[i] ? Touch(*values[i]) : Missing(absl::NotFoundError(""));
        if (status.ok()) status = Count();
      }
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status ScanAll() {
    const absl::StatusOr<ReadTransaction> txn = db_.BeginRead();
    if (!txn.ok()) return txn.status();
    Scan scan = txn->Scan(db_.default_keyspace());
    for (const Entry& entry : scan) {
      if (absl::Status status = Touch(entry.value); !status.ok()) return status;
      if (absl::Status status = Count(); !status.ok()) return status;
    }
    if (!scan.status().ok()) return scan.status();
    if (rows_.back().operations != options_.entries) return Missing(absl::NotFoundError(""));
    return absl::OkStatus();
  }

  static absl::Status Missing(const absl::Status& status) {
    return absl::IsNotFound(status) ? absl::InternalError("the database lost a key") : status;
  }

  Database& db_;
  const BenchOptions options_;
  const BenchStep& step_;
  const std::string value_;
  std::vector<BenchRow> rows_;
};

}  // namespace

absl::StatusOr<std::vector<BenchRow>> RunQuickBench(Database& db, const BenchOptions& options,
                                                    const BenchStep& step) {
  return QuickBench(db, options, step).Run();
}

}  // namespace espalier::tools
