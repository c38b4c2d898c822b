#include "engine/log/log_reader.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/endian.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/log/log_for_testing.h"
#include "engine/log/log_writer.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/file.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::log {
namespace {

class LogReaderTest : public ::testing::TestWithParam<Way> {
 protected:
  const os::TempDir dir_;
  const std::string path_ = dir_.File("db-wal");
};

INSTANTIATE_TEST_SUITE_P(Ways, LogReaderTest, kBothWays, NameOf);

// Some records take one way, some the other.
class EndOfLogTest : public ::testing::Test {
 protected:
  const os::TempDir dir_;
  const std::string path_ = dir_.File("db-wal");
};

os::File FileOf(const Bytes& bytes) {
  os::File file = os::File::CreateInMemory("log").value();
  EXPECT_THAT(file.WriteAt(0, bytes), IsOk());
  return file;
}

// Records of all sizes with flushes here and there; all of them are in the file.
void AppendSome(TestLog& log, Random& random) {
  for (const size_t size_bytes : {20, 0, 700, 8, 4501, 100, 1, 480, 300, 7}) {
    EXPECT_TRUE(log.Append(RandomBytes(random, size_bytes), random() % 2 == 0));
    if (random() % 3 == 0) log.Flush();
  }
  log.Flush();
  log.ExpectReadsBack();
}

// How many of the oldest records have no byte among those of the file from `begin` to `end`.
size_t SoundRecords(const TestLog& log, uint64_t begin, uint64_t end) {
  size_t count = 0;
  for (const TestLog::Entry& entry : log.entries()) {
    // Once round the end of the ring at most.
    const uint64_t first = kBlockBytes + entry.begin() % log.ring_bytes();
    const uint64_t last = first + (entry.end() - entry.begin());
    const auto meets = [&](uint64_t from) { return begin + from < last && first < end + from; };
    if (meets(0) || meets(log.ring_bytes())) break;
    ++count;
  }
  return count;
}

// Of the bytes between two records, one in 64 will do.
bool WorthTrying(const TestLog& log, uint64_t position) {
  return position % 64 == 0 ||
         std::any_of(log.entries().begin(), log.entries().end(), [&](const TestLog::Entry& entry) {
           return entry.begin() <= position && position < entry.appended.end.value;
         });
}

void ExpectFirst(const os::File& file, const TestLog& log, size_t count, uint64_t at) {
  const Found found = ReadLog(file, log.ring_bytes(), log.start());
  ASSERT_EQ(found.records.size(), count) << "at byte " << at << " of the file";
  EXPECT_TRUE(found.records == log.Expected(count)) << "at byte " << at << " of the file";
}

TEST_F(EndOfLogTest, EveryTruncation) {
  Random random(TestSeed());
  TestLog log(path_, Way::kDirect);
  AppendSome(log, random);
  Bytes bytes = ReadBytes(log.writer().file(), 0, kBlockBytes + log.writer().end().value);
  os::File file = FileOf(bytes);
  for (uint64_t size = bytes.size(); size >= kBlockBytes && !HasFailure(); --size) {
    if (!WorthTrying(log, size - kBlockBytes)) continue;
    EXPECT_THAT(file.Truncate(size), IsOk());
    ExpectFirst(file, log, SoundRecords(log, size, std::numeric_limits<uint64_t>::max() / 2), size);
  }
}

// One byte, one sector, one block after the other; all else is sound.
void DamageEverything(TestLog& log) {
  const uint64_t end = RoundUp(log.writer().end().value, kBlockBytes);
  const Bytes ring =
      ReadBytes(log.writer().file(), 0, kBlockBytes + std::min(end, log.ring_bytes()));
  os::File file = FileOf(ring);
  for (const uint64_t step : {uint64_t{1}, uint64_t{512}, uint64_t{4096}}) {
    const uint64_t begin = log.start().position.value / step * step;
    for (uint64_t position = begin; position < end; position += step) {
      if (::testing::Test::HasFailure()) return;
      if (!WorthTrying(log, position)) continue;
      const uint64_t offset = kBlockBytes + position % log.ring_bytes();
      const Bytes sound(ring.begin() + static_cast<ptrdiff_t>(offset),
                        ring.begin() + static_cast<ptrdiff_t>(offset + step));
      Bytes damaged = sound;
      for (uint8_t& byte : damaged) byte = static_cast<uint8_t>(~byte);
      ASSERT_THAT(file.WriteAt(offset, damaged), IsOk());
      ExpectFirst(file, log, SoundRecords(log, offset, offset + step), offset);
      ASSERT_THAT(file.WriteAt(offset, sound), IsOk());
    }
  }
  ExpectFirst(file, log, log.entries().size(), 0);
}

TEST_F(EndOfLogTest, EveryDamagedByteSectorAndBlock) {
  Random random(TestSeed(2));
  TestLog log(path_, Way::kDirect);
  AppendSome(log, random);
  DamageEverything(log);
}

TEST_F(EndOfLogTest, EveryDamageRoundTheEndOfTheRing) {
  Random random(TestSeed(3));
  TestLog log(path_, Way::kDirect);
  while (log.writer().end().value < kRingBytes - 2 * kBlockBytes) {
    ASSERT_TRUE(log.Append(RandomBytes(random, 4000), false));
    log.Flush();
    log.Recycle(log.entries().size());
  }
  AppendSome(log, random);
  EXPECT_LT(log.start().position.value, kRingBytes);
  EXPECT_GT(log.writer().end().value, kRingBytes);
  DamageEverything(log);
}

// All records are alike, each has a block of its own, and wherever the log ends, a record of the
// round before follows at the very place where the next one would.
TEST_P(LogReaderTest, RecordsOfTheRoundBeforeAreNotRead) {
  TestLog log(path_, GetParam());
  const Bytes payload(kBlockBytes - sizeof(RecordHeader), 7);
  for (uint64_t i = 0; i < 3 * kRingBytes / kBlockBytes; ++i) {
    if (log.entries().size() == 100) log.Recycle(1);
    ASSERT_TRUE(log.Append(payload, i % 3 != 0));
    log.Flush();
    if (i % 16 == 0) log.ExpectReadsBack();
  }
  // Nor if all of them are to be read that there is room for.
  while (log.Append(payload, true)) {
  }
  while (log.AppendCheckpoint()) {
  }
  log.Flush();
  EXPECT_EQ(log.entries().size(), kRingBytes / kBlockBytes);
  log.ExpectReadsBack();
}

// Bytes that cannot be read are not the end of the log: what follows them may be acknowledged.
TEST_P(LogReaderTest, AReadErrorIsNotTheEnd) {
  TestLog log(path_, GetParam());
  const os::FailingCalls calls(os::SystemCallKind::kRead, EIO);
  LogReader reader(&log.writer().file(), kRingBytes, log.start());
  EXPECT_THAT(reader.Next(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(ReadHeader(log.writer().file()), StatusIs(absl::StatusCode::kInternal));
}

// A file of a few blocks must not cost a GiB, whatever it says. The first of all tests, because
// what is measured is the most that the process has ever had.
TEST(HostileLogTest, ALengthIsNotBelievedBeforeTheFileHasIt) {
  const auto peak_bytes = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  };
  Bytes bytes(2 * kBlockBytes);
  const LogPlace start{.position = {}, .generation = 1, .chain_value = 2, .sequence = 3};
  StoreLE64(&bytes[kBlockBytes + 8], start.sequence);
  StoreLE32(&bytes[kBlockBytes + 24], uint32_t{1} << 30);
  const uint64_t before = peak_bytes();
  EXPECT_TRUE(ReadLog(FileOf(bytes), kMaxRingBytes, start).records.empty());
  EXPECT_LT(peak_bytes() - before, uint64_t{256} << 20);
}

TEST(HostileLogTest, WhatIsNoHeader) {
  for (const size_t size : {size_t{0}, size_t{63}, size_t{64}, size_t{5000}}) {
    const auto header = ReadHeader(FileOf(Bytes(size, 'x')));
    ASSERT_THAT(header, IsOk());
    EXPECT_FALSE(header->has_value());
  }
}

// As the writer would have stored it, so that it is what the header says that is put to the test.
void PutRecord(Bytes& file, uint64_t position, const LogPlace& place, RecordHeader header,
               uint64_t record_bytes) {
  uint8_t* const record = file.data() + kBlockBytes + position;
  std::memcpy(record, &header, sizeof(header));
  StoreLE64(record, RecordChecksum({record, record_bytes}, place));
}

TEST(HostileLogTest, RandomBytesAndPlaces) {
  Random random(TestSeed());
  for (int round = 0; round < 300; ++round) {
    Bytes bytes = RandomBytes(random, random() % 20000);
    const uint64_t ring_bytes =
        kBlockBytes * (1 + random() % (random() % 2 ? 4 : kMaxRingBytes / kBlockBytes));
    LogPlace start{.position = LogPosition(random() % 2 ? random() % 20000 : random()),
                   .generation = random(),
                   .chain_value = random(),
                   .sequence = random() % 2 * 0x0101010101010101};
    if (random() % 8 == 0) start.position = LogPosition(~uint64_t{0} - random() % 8192);
    // Lengths that lead a reader on, in the place where it begins.
    const uint64_t offset = kBlockBytes + start.position.value % ring_bytes;
    if (offset + sizeof(RecordHeader) <= bytes.size()) {
      StoreLE64(&bytes[offset + 8], start.sequence);
      StoreLE32(&bytes[offset + 24], static_cast<uint32_t>(random() % 32768));
    }
    EXPECT_TRUE(ReadLog(FileOf(bytes), ring_bytes, start).records.empty());
  }
}

// Sound by their checksums, but nothing that a writer stores.
TEST(HostileLogTest, RecordsOfImpossibleLengths) {
  const LogPlace start{.position = {}, .generation = 1, .chain_value = 2, .sequence = 3};
  const auto read = [&](uint64_t ring_bytes, uint32_t payload_bytes, RecordKind kind) {
    Bytes bytes(3 * kBlockBytes, 5);
    const RecordHeader header{.checksum = 0,
                              .sequence = start.sequence,
                              .version = 1,
                              .payload_bytes = payload_bytes,
                              .kind = static_cast<uint8_t>(kind),
                              .zeros = {}};
    const uint64_t record_bytes =
        std::min<uint64_t>(sizeof(header) + payload_bytes, 2 * kBlockBytes);
    PutRecord(bytes, 0, start, header, record_bytes);
    return ReadLog(FileOf(bytes), ring_bytes, start).records.size();
  };
  constexpr auto kTransaction = RecordKind::kTransaction;
  EXPECT_EQ(read(2 * kBlockBytes, 100, kTransaction), 1u);
  // Exactly round the ring, and one byte more.
  EXPECT_EQ(read(2 * kBlockBytes, 2 * kBlockBytes - 32, kTransaction), 1u);
  EXPECT_EQ(read(2 * kBlockBytes, 2 * kBlockBytes - 31, kTransaction), 0u);
  EXPECT_EQ(read(2 * kBlockBytes, ~uint32_t{0}, kTransaction), 0u);
  // Behind the end of the file.
  EXPECT_EQ(read(kMaxRingBytes, 2 * kBlockBytes - 32, kTransaction), 1u);
  EXPECT_EQ(read(kMaxRingBytes, 2 * kBlockBytes - 31, kTransaction), 0u);
  // A generation has eight bytes.
  EXPECT_EQ(read(kMaxRingBytes, 8, RecordKind::kGeneration), 1u);
  EXPECT_EQ(read(kMaxRingBytes, 7, RecordKind::kGeneration), 0u);
  EXPECT_EQ(read(kMaxRingBytes, 16, RecordKind::kGeneration), 0u);
}

}  // namespace
}  // namespace espalier::log
