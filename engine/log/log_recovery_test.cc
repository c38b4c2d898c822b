// Going on with a log that was read: what recovery does.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/status_for_testing.h"
#include "engine/log/log_for_testing.h"
#include "engine/log/log_writer.h"
#include "engine/os/file.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::log {
namespace {

class LogRecoveryTest : public ::testing::TestWithParam<Way> {
 protected:
  const os::TempDir dir_;
  const std::string path_ = dir_.File("db-wal");
};

INSTANTIATE_TEST_SUITE_P(Ways, LogRecoveryTest, kBothWays, NameOf);

TEST_P(LogRecoveryTest, ContinueBeginsABlockAndTouchesNothingBefore) {
  TestLog log(path_, GetParam());
  EXPECT_TRUE(log.Append(Bytes(5000, 1), false));
  EXPECT_TRUE(log.Append(Bytes(1, 1), false));
  const uint64_t end = log.writer().end().value;
  const Bytes before = ReadStream(log.writer().file(), kRingBytes, 0, end);
  for (const bool flush_follows : {false, true}) {
    log.Reopen();
    // It is durable without a flush.
    const uint64_t flushes = log.writer().flushes();
    log.Flush();
    EXPECT_EQ(log.writer().flushes(), flushes);
    const uint64_t tail = log.writer().end().value;
    EXPECT_TRUE(log.Append(Bytes(10, 2), flush_follows));
    EXPECT_EQ(log.entries().back().begin(), RoundUp(tail, kBlockBytes));
    log.Flush();
    EXPECT_EQ(ReadStream(log.writer().file(), kRingBytes, 0, end), before);
    log.ExpectReadsBack();
  }
}

// A file that was cut, by whatever, within a block: what it still has of that block are records.
TEST_P(LogRecoveryTest, ContinueAfterAFileThatEndsWithinABlock) {
  for (const bool flush_follows : {false, true}) {
    TestLog log(path_, GetParam());
    EXPECT_TRUE(log.Append(Bytes(100, 1), false));
    EXPECT_TRUE(log.Append(Bytes(100, 2), true));
    log.Flush();
    const uint64_t end = log.entries()[1].appended.end.value;
    ESPALIER_ASSERT_OK_AND_ASSIGN(os::File file, os::File::Open(path_, os::OpenMode::kReadWrite));
    EXPECT_THAT(file.Truncate(kBlockBytes + end + 8), IsOk());
    const Found found = ReadLog(file, kRingBytes, log.start());
    ASSERT_EQ(found.records.size(), 2u);
    const WayGuard guard(GetParam());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto writer,
                                  LogWriter::Continue(std::move(file), kRingBytes, found.end,
                                                      log.start().position, {[](Version) {}}));
    const Logged next{RecordKind::kTransaction, Version(3), Bytes(100, 3)};
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto appended, AppendTo(*writer, next, flush_follows));
    EXPECT_THAT(writer->Flush(appended.end), IsOk());
    EXPECT_EQ(ReadLog(writer->file(), kRingBytes, log.start()).records.size(), 3u);
  }
}

class DamagedLogTest : public LogRecoveryTest {
 protected:
  // Five records alike, each in a block of its own; then the middle one is damaged, and the log
  // ends behind the second.
  void SetUp() override {
    WriteLog(GetParam());
    ESPALIER_ASSERT_OK_AND_ASSIGN(os::File file, os::File::Open(path_, os::OpenMode::kReadWrite));
    const uint64_t damaged = kBlockBytes + 2 * kBlockBytes + 100;
    EXPECT_THAT(file.WriteAt(damaged, Bytes{0}), IsOk());
    EXPECT_EQ(ReadLog(file, kRingBytes, start_).records.size(), 2u);
  }

  void WriteLog(Way way) {
    const WayGuard guard(way);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const auto log,
                                  LogWriter::Create(path_, kUuid, kRingBytes, {[](Version) {}}));
    for (uint64_t i = 0; i < 5; ++i) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(const auto appended, AppendTo(*log, Record(i), true));
      EXPECT_EQ(appended.before.position.value, i * kBlockBytes);
      if (i == 0) start_ = appended.before;
      EXPECT_THAT(log->Flush(appended.end), IsOk());
    }
  }

  static Logged Record(uint64_t i) {
    return {RecordKind::kTransaction, Version(1 + i),
            Bytes(kBlockBytes - sizeof(RecordHeader), static_cast<uint8_t>(i + 1))};
  }

  std::unique_ptr<LogWriter> Recover() {
    os::File file = os::File::Open(path_, os::OpenMode::kReadWrite).value();
    const WayGuard guard(GetParam());
    const LogPlace end = ReadLog(file, kRingBytes, start_).end;
    return LogWriter::Continue(std::move(file), kRingBytes, end, start_.position, {[](Version) {}})
        .value();
  }

  std::vector<uint64_t> Versions(const os::File& file) const {
    std::vector<uint64_t> versions;
    for (const Logged& logged : ReadLog(file, kRingBytes, start_).records) {
      versions.push_back(logged.version.value);
    }
    return versions;
  }

  LogPlace start_;
};

INSTANTIATE_TEST_SUITE_P(Ways, DamagedLogTest, kBothWays, NameOf);

// Why recovery begins a generation: the same transaction once more is the same record, and what
// followed it before the crash would follow it again.
TEST_P(DamagedLogTest, WithoutAGenerationTheDeadReturn) {
  const auto log = Recover();
  ESPALIER_ASSERT_OK_AND_ASSIGN(const auto again, AppendTo(*log, Record(2), true));
  if (again.outlives_process) GTEST_SKIP() << "zeros go ahead of what is stored into the mapping";
  EXPECT_THAT(log->Flush(log->end()), IsOk());
  EXPECT_EQ(Versions(log->file()), (std::vector<uint64_t>{1, 2, 3, 4, 5}));
}

TEST_P(DamagedLogTest, WithAGenerationTheyDoNot) {
  using Expected = std::vector<uint64_t>;
  {
    const auto log = Recover();
    EXPECT_THAT(log->AppendGeneration(Version(2)), IsOk());
    EXPECT_THAT(log->Flush(log->end()), IsOk());
    EXPECT_EQ(Versions(log->file()), (Expected{1, 2, 2}));
    EXPECT_THAT(AppendTo(*log, Record(2), true), IsOk());
    EXPECT_THAT(log->Flush(log->end()), IsOk());
    EXPECT_EQ(Versions(log->file()), (Expected{1, 2, 2, 3}));
  }
  // And once more, from the same place, because the new generation did not survive either: now
  // records of two generations lie behind the end.
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(os::File file, os::File::Open(path_, os::OpenMode::kReadWrite));
    EXPECT_THAT(file.WriteAt(kBlockBytes + 2 * kBlockBytes + 32, Bytes(8)), IsOk());
    EXPECT_EQ(Versions(file), (Expected{1, 2}));
  }
  const auto log = Recover();
  EXPECT_THAT(log->AppendGeneration(Version(2)), IsOk());
  EXPECT_THAT(log->Flush(log->end()), IsOk());
  EXPECT_EQ(Versions(log->file()), (Expected{1, 2, 2}));
  EXPECT_THAT(AppendTo(*log, Record(2), false), IsOk());
  EXPECT_THAT(log->Flush(log->end()), IsOk());
  EXPECT_EQ(Versions(log->file()), (Expected{1, 2, 2, 3}));
}

// A reader who was told a generation's number by a checkpoint begins there.
TEST_P(DamagedLogTest, ACheckpointIsFoundByItsPlaceAlone) {
  const auto log = Recover();
  EXPECT_THAT(log->AppendGeneration(Version(2)), IsOk());
  EXPECT_THAT(AppendTo(*log, Record(2), false), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const auto checkpoint, log->AppendCheckpoint(Version(3)));
  EXPECT_EQ(checkpoint.before.position.value % kBlockBytes, 0u);
  EXPECT_THAT(AppendTo(*log, Record(3), true), IsOk());
  EXPECT_THAT(log->Flush(log->end()), IsOk());
  // A slot does not know the sequence.
  start_ = checkpoint.before;
  start_.sequence = 0;
  EXPECT_EQ(Versions(log->file()), (std::vector<uint64_t>{3, 4}));
  for (uint64_t LogPlace::*number : {&LogPlace::generation, &LogPlace::chain_value}) {
    LogPlace wrong = start_;
    ++(wrong.*number);
    EXPECT_TRUE(ReadLog(log->file(), kRingBytes, wrong).records.empty());
  }
}

}  // namespace
}  // namespace espalier::log
