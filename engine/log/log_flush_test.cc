// Flushes of the log: those that fail, and those of many threads at once.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/mutex.h"
#include "engine/base/status_for_testing.h"
#include "engine/log/log_for_testing.h"
#include "engine/log/log_writer.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::log {
namespace {

using os::FailingCalls;
using os::SystemCallKind;

class LogFlushTest : public ::testing::TestWithParam<Way> {
 protected:
  std::unique_ptr<LogWriter> Create(uint64_t ring_bytes, LogWriter::DurableFunction on_durable) {
    const WayGuard guard(GetParam());
    auto log = LogWriter::Create(path_, kUuid, ring_bytes, {std::move(on_durable)});
    EXPECT_THAT(log, IsOk());
    return *std::move(log);
  }

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db-wal");
};

INSTANTIATE_TEST_SUITE_P(Ways, LogFlushTest, kBothWays, NameOf);

// INV-9: the kernel reports a failed flush once, so that nobody may believe a later one.
TEST_P(LogFlushTest, TheFirstErrorStays) {
  for (const bool flush_follows : {true, false}) {
    uint64_t durable = 0;
    const auto log = Create(kRingBytes, [&](Version version) { durable = version.value; });
    const auto append = [&](uint64_t version) {
      return AppendTo(*log, {RecordKind::kTransaction, Version(version), Bytes(10, 1)},
                      flush_follows);
    };
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto sound, append(1));
    EXPECT_THAT(log->Flush(sound.end), IsOk());
    EXPECT_EQ(durable, 1u);

    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto lost, append(2));
    absl::Status error;
    {
      const FailingCalls calls(
          lost.outlives_process ? SystemCallKind::kSyncMapping : SystemCallKind::kWrite, EIO);
      error = log->Flush(lost.end);
      EXPECT_THAT(error, StatusIs(absl::StatusCode::kInternal, ::testing::HasSubstr(path_)));
      EXPECT_EQ(calls.calls(), 1);
    }
    const FailingCalls calls(SystemCallKind::kWrite);
    EXPECT_EQ(log->Flush(lost.end), error);
    EXPECT_EQ(append(3).status(), error);
    EXPECT_EQ(log->AppendCheckpoint(Version(3)).status(), error);
    EXPECT_EQ(log->AppendGeneration(Version(3)).status(), error);
    EXPECT_EQ(log->Flush(log->end()), error);
    EXPECT_EQ(calls.calls(), 0);
    EXPECT_EQ(durable, 1u);
    EXPECT_EQ(log->end(), lost.end);
    // What was durable before still is.
    EXPECT_THAT(log->Flush(sound.end), IsOk());
  }
}

// The growing ring is flushed too, and it is the same file whose error the kernel reports once.
TEST_P(LogFlushTest, TheFirstErrorStaysWhereTheRingGrows) {
  const auto log = Create(4 * kRingBytes, [](Version) { FAIL() << "nothing is durable"; });
  const Logged large{RecordKind::kTransaction, Version(1), Bytes(kRingBytes, 1)};
  absl::Status error;
  {
    const FailingCalls calls(SystemCallKind::kSyncData, EIO);
    error = AppendTo(*log, large, true).status();
    if (calls.calls() == 0) GTEST_SKIP() << "the ring grows without a flush";
  }
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(log->end(), LogPosition(0));
  EXPECT_EQ(AppendTo(*log, {}, true).status(), error);
  EXPECT_EQ(AppendTo(*log, {}, false).status(), error);
  EXPECT_EQ(log->Flush(LogPosition(1)), error);
}

// Not a flush: only this record fails.
TEST_P(LogFlushTest, AFullDiskFailsOneRecord) {
  for (const bool flush_follows : {true, false}) {
    uint64_t durable = 0;
    const auto log = Create(4 * kRingBytes, [&](Version version) { durable = version.value; });
    const Logged small{RecordKind::kTransaction, Version(1), Bytes(100, 1)};
    const Logged large{RecordKind::kTransaction, Version(2), Bytes(kRingBytes, 2)};
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto first, AppendTo(*log, small, flush_follows));
    for (const int skip : {0, 1}) {
      const FailingCalls calls(SystemCallKind::kWrite, ENOSPC, skip);
      const auto refused = AppendTo(*log, large, flush_follows);
      if (calls.calls() > skip) {
        EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
        EXPECT_EQ(log->end(), first.end);
      }
    }
    if (log->end() == first.end) {
      EXPECT_THAT(AppendTo(*log, large, flush_follows), IsOk());
    }
    EXPECT_THAT(log->Flush(log->end()), IsOk());
    EXPECT_EQ(durable, 2u);
    const Found found = ReadLog(log->file(), log->ring_bytes(), first.before);
    EXPECT_TRUE(found.records == (std::vector<Logged>{small, large}));
  }
}

// By itself, and nothing is stored to its block any more: a checkpoint slot refers to it. What
// comes before it is durable with the next flush, or recycled.
TEST_P(LogFlushTest, ACheckpointIsFlushedByItself) {
  const auto log = Create(kRingBytes, [](Version) {});
  const Logged before{RecordKind::kTransaction, Version(1), Bytes(10'000, 1)};
  const Logged after{RecordKind::kTransaction, Version(3), Bytes(100, 3)};
  for (const bool recycled : {false, true}) {
    ASSERT_THAT(AppendTo(*log, before, /*flush_follows=*/false), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto mark, log->AppendCheckpoint(Version(2)));
    {
      const FailingCalls calls(SystemCallKind::kSyncMapping);
      EXPECT_THAT(log->FlushCheckpoint(mark.before.position, mark.end), IsOk());
      EXPECT_EQ(calls.calls(), 1);
      EXPECT_LE(calls.bytes(), kBlockBytes);
    }
    if (recycled) log->Recycle(mark.before.position);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto next, AppendTo(*log, after, /*flush_follows=*/true));
    EXPECT_GE(next.before.position.value, RoundUp(mark.end.value, kBlockBytes));
    const FailingCalls calls(SystemCallKind::kSyncMapping);
    EXPECT_THAT(log->Flush(next.end), IsOk());
    EXPECT_EQ(calls.bytes() > before.payload.size(), !recycled);
  }
  const FailingCalls calls(SystemCallKind::kSyncMapping, EIO);
  ASSERT_THAT(AppendTo(*log, before, /*flush_follows=*/false), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const auto mark, log->AppendCheckpoint(Version(4)));
  EXPECT_FALSE(log->FlushCheckpoint(mark.before.position, mark.end).ok());
  EXPECT_FALSE(log->status().ok());
}

// A device that takes its time, whatever this machine has.
class SlowFlushes : public os::SystemCallObserver {
 public:
  int BeforeCall(const os::SystemCall& call) override {
    if (call.durable || call.kind == SystemCallKind::kSyncMapping) {
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    return 0;
  }

 private:
  os::ScopedSystemCallObserver observing_{this};
};

TEST_P(LogFlushTest, ManyThreadsShareFlushes) {
  constexpr int kThreads = 8;
  constexpr int kRecordsEach = 200;
  std::atomic<uint64_t> durable{0};
  std::atomic<bool> in_on_durable{false};
  const auto log = Create(16 * kRingBytes, [&](Version version) {
    EXPECT_FALSE(in_on_durable.exchange(true));
    EXPECT_GT(version.value, durable.load());
    durable = version.value;
    in_on_durable = false;
  });
  Mutex mutex;
  uint64_t last_version = 0;    // guarded by mutex, as are the following
  std::vector<Logged> records;  //
  std::vector<LogWriter::Appended> places;
  {
    const SlowFlushes slow;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kRecordsEach; ++i) {
          // Most are to be durable. The others leave to the mapping what may or may not be flushed
          // by somebody else.
          const bool flush = (thread + i) % 5 != 0;
          Logged logged{
              RecordKind::kTransaction, {}, Bytes(10 + (thread * 977 + i * 31) % 3000, 1)};
          LogWriter::Appended appended;
          {
            MutexLock lock(&mutex);
            logged.version = Version(++last_version);
            const auto result = AppendTo(*log, logged, flush);
            ASSERT_THAT(result, IsOk());
            appended = *result;
            records.push_back(logged);
            places.push_back(appended);
          }
          if (!flush) continue;
          ASSERT_THAT(log->Flush(appended.end), IsOk());
          EXPECT_GE(durable, logged.version.value);
          // Nobody else writes there, and what was only collected would not be there.
          const Bytes header = ReadBytes(
              log->file(), kBlockBytes + appended.before.position.value + 16, sizeof(uint64_t));
          EXPECT_EQ(LoadLE64(header.data()), logged.version.value);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_LT(log->flushes(), records.size() / 2);
  EXPECT_THAT(log->Flush(log->end()), IsOk());
  EXPECT_EQ(durable, last_version);
  const Found found = ReadLog(log->file(), log->ring_bytes(), places.front().before);
  ASSERT_EQ(found.records.size(), records.size());
  EXPECT_TRUE(found.records == records);
}

// Whoever waits for a flush that fails learns of it.
TEST_P(LogFlushTest, AFailureReachesAllWhoWait) {
  constexpr uint64_t kThreads = 8;
  std::atomic<uint64_t> durable{0};
  const auto log = Create(kRingBytes, [&](Version version) { durable = version.value; });
  Mutex mutex;
  uint64_t last_version = 0;
  std::atomic<uint64_t> failed{0};
  {
    // In the middle of the crowd; from then on nothing is tried again.
    const FailingCalls calls(
        GetParam() == Way::kDirect ? SystemCallKind::kWrite : SystemCallKind::kSyncMapping, EIO, 5,
        1);
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        while (true) {
          absl::StatusOr<LogWriter::Appended> appended;
          uint64_t version = 0;
          {
            MutexLock lock(&mutex);
            version = ++last_version;
            appended =
                AppendTo(*log, {RecordKind::kTransaction, Version(version), Bytes(10, 1)}, true);
          }
          const absl::Status status = appended.ok() ? log->Flush(appended->end) : appended.status();
          if (!status.ok()) {
            EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal));
            EXPECT_TRUE(!appended.ok() || durable < version);
            ++failed;
            return;
          }
          EXPECT_GE(durable, version);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(failed, kThreads);
}

}  // namespace
}  // namespace espalier::log
