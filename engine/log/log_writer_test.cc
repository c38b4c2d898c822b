#include "engine/log/log_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/log/log_for_testing.h"
#include "engine/log/log_reader.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::log {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LogWriterTest : public ::testing::TestWithParam<Way> {
 protected:
  // tmpfs, for one, has no way past the page cache.
  bool DirectIsPossible(TestLog& log) const {
    return GetParam() == Way::kDirect && log.writer().file().OpenDirect().ok();
  }

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db-wal");
};

INSTANTIATE_TEST_SUITE_P(Ways, LogWriterTest, kBothWays, NameOf);

uint64_t RecordSeed(uint64_t generation, uint64_t chain_value) {
  return chain_value ^ (generation * 0x9e3779b97f4a7c15u);
}

TEST_P(LogWriterTest, RecordsByteByByte) {
  const WayGuard guard(GetParam());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const auto log,
                                LogWriter::Create(path_, kUuid, kRingBytes, {[](Version) {}}));
  const Logged hello{RecordKind::kTransaction, Version(0x1234567890), {'h', 'e', 'l', 'l', 'o'}};
  ESPALIER_ASSERT_OK_AND_ASSIGN(const auto first, AppendTo(*log, hello, true));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const auto second, log->AppendGeneration(Version(7)));
  EXPECT_EQ(log->used_bytes(), second.end.value);
  EXPECT_THAT(log->Flush(second.end), IsOk());
  EXPECT_EQ(first.before.position, LogPosition(0));
  EXPECT_EQ(first.end, LogPosition(40));
  EXPECT_EQ(second.before.position, LogPosition(4096));
  EXPECT_EQ(log->end(), LogPosition(4096 + 40));

  const Bytes file = ReadBytes(log->file(), 0, kBlockBytes + 8192);
  const auto header = Header{kUuid, kRingBytes, first.before.generation}.Encode();
  EXPECT_TRUE(std::equal(header.begin(), header.end(), file.begin()));
  EXPECT_TRUE(std::all_of(file.begin() + 64, file.begin() + 4096, [](auto byte) { return !byte; }));

  const uint8_t* const record = &file[4096];
  const uint64_t generation = first.before.generation;
  EXPECT_EQ(LoadLE64(record), Checksum(record + 8, 24 + 5, RecordSeed(generation, 0)));
  EXPECT_EQ(LoadLE64(record + 8), 1u);
  EXPECT_EQ(LoadLE64(record + 16), 0x1234567890u);
  EXPECT_EQ(LoadLE32(record + 24), 5u);
  EXPECT_EQ(Bytes(record + 28, record + 40), (Bytes{1, 0, 0, 0, 'h', 'e', 'l', 'l', 'o', 0, 0, 0}));

  const uint8_t* const next = &file[8192];
  EXPECT_EQ(LoadLE64(next), Checksum(next + 8, 32, RecordSeed(generation, LoadLE64(record))));
  EXPECT_EQ(LoadLE64(next + 8), 2u);
  EXPECT_EQ(LoadLE64(next + 16), 7u);
  EXPECT_EQ(LoadLE32(next + 24), 8u);
  EXPECT_EQ(Bytes(next + 28, next + 32), (Bytes{3, 0, 0, 0}));
  EXPECT_NE(LoadLE64(next + 32), generation);
}

TEST_P(LogWriterTest, CreateTakesThePlaceOfWhatIsThere) {
  {
    TestLog old(path_, GetParam());
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(old.Append(Bytes(100, 1), true));
    old.Flush();
  }
  TestLog fresh(path_, GetParam(), kRingBytes + 1);
  EXPECT_EQ(fresh.ring_bytes(), kRingBytes + 4096);
  EXPECT_EQ(fresh.writer().path(), path_);
  ESPALIER_ASSERT_OK_AND_ASSIGN(const os::File file,
                                os::File::Open(path_, os::OpenMode::kReadOnly));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const auto header, ReadHeader(file));
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->uuid, kUuid);
  EXPECT_EQ(header->ring_bytes, kRingBytes + 4096);
  fresh.ExpectReadsBack();
}

TEST_P(LogWriterTest, AFailedCreateLeavesNothing) {
  const os::FailingCalls calls(os::SystemCallKind::kWrite, ENOSPC);
  EXPECT_THAT(LogWriter::Create(path_, kUuid, kRingBytes, {[](Version) {}}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

// A record that went nowhere outlives nothing.
TEST_P(LogWriterTest, AStoreIntoATruncatedFile) {
  TestLog log(path_, GetParam());
  EXPECT_TRUE(log.Append(Bytes(100, 1), /*flush_follows=*/false));
  std::filesystem::resize_file(path_, kBlockBytes);
  const Logged next{RecordKind::kTransaction, Version(9), Bytes(100, 2)};
  EXPECT_THAT(AppendTo(log.writer(), next, false), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(AppendTo(log.writer(), next, false), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(log.writer().Flush(log.writer().end()), Not(IsOk()));
}

class FailingLargeWrites : public os::SystemCallObserver {
 public:
  int BeforeCall(const os::SystemCall& call) override {
    return call.kind == os::SystemCallKind::kWrite && call.length > kBlockBytes ? ENOSPC : 0;
  }

 private:
  os::ScopedSystemCallObserver observing_{this};
};

// What was to have been its room must not be a hole: a store into that could not be refused.
TEST_P(LogWriterTest, AfterALargeRecordThatCouldNotBeWritten) {
  constexpr uint64_t kMebibyte = uint64_t{1} << 20;
  TestLog log(path_, GetParam(), 8 * kMebibyte);
  {
    const FailingLargeWrites failing;
    EXPECT_FALSE(log.Append(Bytes(3 * kMebibyte, 1), /*flush_follows=*/false));
  }
  const off_t file_bytes = static_cast<off_t>(std::filesystem::file_size(path_));
  EXPECT_GT(file_bytes, static_cast<off_t>(3 * kMebibyte));
  EXPECT_EQ(lseek(log.writer().file().fd(), 0, SEEK_HOLE), file_bytes);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(log.Append(Bytes(1000, 2), /*flush_follows=*/false));
  log.ExpectReadsBack();
}

TEST_P(LogWriterTest, TheWayIntoTheFile) {
  TestLog log(path_, GetParam());
  const bool direct = DirectIsPossible(log);
  const auto outlives = [&](bool flush_follows) {
    EXPECT_TRUE(log.Append(Bytes(10, 1), flush_follows));
    return log.entries().back().appended.outlives_process;
  };
  EXPECT_EQ(outlives(true), !direct);
  // It goes with what has been collected.
  EXPECT_EQ(outlives(false), !direct);
  log.ExpectReadsBack();
  log.Flush();
  log.ExpectReadsBack();
  EXPECT_TRUE(outlives(false));
  // Its predecessor is in the mapping.
  EXPECT_TRUE(outlives(true));
  log.ExpectReadsBack();
  log.Flush();
  EXPECT_EQ(outlives(true), !direct);
  log.Flush();
  log.ExpectReadsBack();
}

TEST_P(LogWriterTest, AFlushEndsTheBlock) {
  TestLog log(path_, GetParam());
  EXPECT_TRUE(log.Append(Bytes(10, 1), false));
  EXPECT_EQ(log.entries().back().begin(), 4096u);
  EXPECT_TRUE(log.Append(Bytes(10, 1), false));
  EXPECT_EQ(log.entries().back().begin(), 4096u + 48);
  log.Flush();
  // One flush is enough.
  const uint64_t flushes = log.writer().flushes();
  log.Flush();
  EXPECT_EQ(log.writer().flushes(), flushes);
  EXPECT_TRUE(log.Append(Bytes(10, 1), true));
  EXPECT_EQ(log.entries().back().begin(), 8192u);
  // Exactly to the end of the block, so that there is nothing to skip.
  EXPECT_TRUE(log.Append(Bytes(4096 - 48 - 32, 1), true));
  log.Flush();
  EXPECT_TRUE(log.Append(Bytes(10, 1), false));
  EXPECT_EQ(log.entries().back().begin(), 12288u);
  EXPECT_TRUE(log.AppendCheckpoint());
  EXPECT_EQ(log.entries().back().begin(), 16384u);
  log.Flush();
  log.ExpectReadsBack();
}

TEST_P(LogWriterTest, AFullRingChangesNothing) {
  TestLog log(path_, GetParam());
  Random random(TestSeed());
  for (int round = 0; round < 5; ++round) {
    // Smaller and smaller, until not even a header fits.
    for (const size_t size_bytes : {300000, 100000, 10000, 1000, 0}) {
      while (log.Append(RandomBytes(random, size_bytes), random() % 2 == 0)) {
      }
    }
    const uint64_t full = kRingBytes - log.writer().reserved_bytes();
    EXPECT_GE(log.writer().used_bytes(), full - 2 * kBlockBytes);
    EXPECT_LE(log.writer().used_bytes(), full);
    // What makes room has room still: a checkpoint also after any number of recoveries.
    while (log.AppendGeneration()) {
    }
    ASSERT_TRUE(log.AppendCheckpoint());
    while (log.AppendCheckpoint()) {
    }
    EXPECT_GE(log.writer().used_bytes(), kRingBytes - 2 * kBlockBytes);
    const LogPosition end = log.writer().end();
    const Bytes before = ReadBytes(log.writer().file(), 0, kBlockBytes + kRingBytes);
    EXPECT_THAT(AppendTo(log.writer(), {}, true),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(path_)));
    EXPECT_THAT(AppendTo(log.writer(), {}, false), StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_FALSE(log.AppendCheckpoint());
    EXPECT_THAT(log.writer().AppendGeneration(Version(1)),
                StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(log.writer().end(), end);
    EXPECT_TRUE(ReadBytes(log.writer().file(), 0, before.size()) == before);
    log.Flush();
    log.ExpectReadsBack();
    // What is larger than the ring never fits; what was given up makes room for the rest.
    log.Recycle(log.entries().size() - 1);
    EXPECT_FALSE(log.Append(Bytes(kRingBytes, 1), true));
  }
}

// Refuses to see written what no write may touch.
class WriteWatch : public os::SystemCallObserver {
 public:
  explicit WriteWatch(const TestLog& log) : log_(log) {}

  // Of the stream; from sector to sector.
  void Protect(uint64_t begin, uint64_t end) {
    begin_ = begin / kSectorBytes;
    end_ = RoundUp(end, kSectorBytes) / kSectorBytes;
  }

  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind != os::SystemCallKind::kWrite) return 0;
    const uint64_t ring_sectors = log_.ring_bytes() / kSectorBytes;
    EXPECT_GE(call.offset, kBlockBytes);
    EXPECT_EQ(call.offset % kSectorBytes + call.length % kSectorBytes, 0u);
    for (uint64_t i = 0; i < call.length / kSectorBytes; ++i) {
      const uint64_t sector = (call.offset - kBlockBytes) / kSectorBytes + i;
      EXPECT_LT(sector, ring_sectors);
      EXPECT_GE((sector + ring_sectors - begin_ % ring_sectors) % ring_sectors, end_ - begin_)
          << "sector " << sector << " is written again";
    }
    return 0;
  }

 private:
  const TestLog& log_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  os::ScopedSystemCallObserver observing_{this};
};

// Everything at random, many times round the ring, with ends of the process in between.
TEST_P(LogWriterTest, RoundAndRound) {
  Random random(TestSeed());
  // Not a multiple of the steps in which the ring grows.
  TestLog log(path_, GetParam(), kRingBytes + 7 * kBlockBytes);
  WriteWatch watch(log);
  Bytes snapshot;
  uint64_t snapshot_begin = 0;
  uint64_t full = 0;
  uint64_t direct = 0;
  uint64_t mapped = 0;
  const auto protect = [&] {
    const size_t in_file = log.InFile();
    watch.Protect(log.start().position.value,
                  in_file > 0 ? log.entries()[in_file - 1].end() : log.start().position.value);
  };
  const auto check_snapshot = [&] {
    const uint64_t begin = log.start().position.value;
    const uint64_t end = snapshot_begin + snapshot.size();
    const LogWriter& writer = log.writer();
    if (begin < end) {
      EXPECT_TRUE(
          ReadStream(writer.file(), log.ring_bytes(), begin, end) ==
          Bytes(snapshot.begin() + static_cast<ptrdiff_t>(begin - snapshot_begin), snapshot.end()));
    }
    // Including the rest of the sector, which is the flush's.
    snapshot_begin = begin;
    const uint64_t flushed = std::max(begin, RoundUp(log.flushed(), kSectorBytes));
    snapshot = ReadStream(writer.file(), log.ring_bytes(), begin, flushed);
  };
  const auto recycle = [&] {
    log.Flush();
    log.Recycle(random() % log.entries().size());
  };
  for (int step = 0; step < 3000 && !HasFailure(); ++step) {
    const uint64_t choice = random() % 100;
    if (choice < 70) {
      const uint64_t size_bytes = random() % (choice < 40 ? 200 : choice < 65 ? 9000 : 250000);
      if (log.Append(RandomBytes(random, size_bytes), random() % 2 == 0)) {
        const bool outlives = log.entries().back().appended.outlives_process;
        ++(outlives ? mapped : direct);
      } else {
        ++full;
        recycle();
      }
    } else if (choice < 90) {
      log.Flush();
      check_snapshot();
    } else if (choice < 94) {
      if (!log.AppendCheckpoint()) recycle();
    } else if (choice < 96) {
      recycle();
    } else if (choice < 99) {
      log.ExpectReadsBack();
    } else {
      log.Reopen();
      check_snapshot();
      // In the order of recovery: the room is there, or recovery checkpoints first.
      protect();
      if (!log.AppendGeneration()) recycle();
    }
    protect();
  }
  EXPECT_GT(log.writer().end().value, 10 * kRingBytes);
  EXPECT_GT(full, 0u);
  EXPECT_GT(mapped, 100u);
  EXPECT_EQ(direct > 100, DirectIsPossible(log));
}

}  // namespace
}  // namespace espalier::log
