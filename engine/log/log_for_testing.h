// A log for tests, together with a model of what must be in it.
//
//   TestLog log(path, Way::kDirect);
//   log.Append(1000, /*flush_follows=*/true);
//   log.Flush();
//   log.ExpectReadsBack();

#ifndef ESPALIER_ENGINE_LOG_LOG_FOR_TESTING_H_
#define ESPALIER_ENGINE_LOG_LOG_FOR_TESTING_H_

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/status_for_testing.h"
#include "engine/log/format.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_writer.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/file.h"
#include "gtest/gtest.h"

namespace espalier::log {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

inline constexpr Uuid kUuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
inline constexpr uint64_t kRingBytes = uint64_t{1} << 20;

// Without a zero, so that no damage goes unnoticed because the file has zeros there anyway.
inline Bytes RandomBytes(Random& random, size_t size_bytes) {
  Bytes bytes(size_bytes);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(1 + random() % 255);
  return bytes;
}

// How bytes may get into the file: past the page cache where that is better, or, as on a file
// system that cannot do that, by the mapping only.
enum class Way { kDirect, kMappedOnly };

inline std::string NameOf(const ::testing::TestParamInfo<Way>& way) {
  return way.param == Way::kDirect ? "Direct" : "MappedOnly";
}
inline const auto kBothWays = ::testing::Values(Way::kDirect, Way::kMappedOnly);

// While it lives, writers come to have this way only.
class WayGuard {
 public:
  // Of all files that a writer opens, the first is the one past the page cache.
  explicit WayGuard(Way way) {
    if (way == Way::kMappedOnly) refusal_.emplace(os::SystemCallKind::kOpen, EINVAL, 0, 1);
  }

 private:
  std::optional<os::FailingCalls> refusal_;
};

struct Logged {
  RecordKind kind = RecordKind::kTransaction;
  Version version;
  Bytes payload;

  friend bool operator==(const Logged&, const Logged&) = default;
};

inline absl::StatusOr<LogWriter::Appended> AppendTo(LogWriter& log, const Logged& logged,
                                                    bool flush_follows) {
  Bytes record(sizeof(RecordHeader));
  record.insert(record.end(), logged.payload.begin(), logged.payload.end());
  return log.Append(logged.kind, logged.version, record, flush_follows);
}

struct Found {
  std::vector<Logged> records;
  LogPlace end;
};

inline Found ReadLog(const os::File& file, uint64_t ring_bytes, const LogPlace& start) {
  LogReader reader(&file, ring_bytes, start);
  Found found;
  while (true) {
    const auto record = reader.Next();
    EXPECT_THAT(record, IsOk());
    if (!record.ok() || !record->has_value()) break;
    const LogReader::Record& next = **record;
    found.records.push_back(
        {next.kind, next.version, Bytes(next.payload.begin(), next.payload.end())});
  }
  found.end = reader.place();
  return found;
}

inline Bytes ReadBytes(const os::File& file, uint64_t offset, uint64_t length) {
  Bytes bytes(length);
  EXPECT_THAT(file.ReadAt(offset, bytes), IsOkAndHolds(length));
  return bytes;
}

// The bytes [begin, end) of the stream.
inline Bytes ReadStream(const os::File& file, uint64_t ring_bytes, uint64_t begin, uint64_t end) {
  Bytes bytes;
  while (begin < end) {
    const uint64_t in_ring = begin % ring_bytes;
    const uint64_t step = std::min(end - begin, ring_bytes - in_ring);
    const Bytes part = ReadBytes(file, kBlockBytes + in_ring, step);
    bytes.insert(bytes.end(), part.begin(), part.end());
    begin += step;
  }
  return bytes;
}

// A writer and what was appended and not recycled since. One thread.
class TestLog {
 public:
  struct Entry {
    Logged logged;
    LogWriter::Appended appended;
    uint64_t begin() const { return appended.before.position.value; }
    // Of the record itself, which the padding follows.
    uint64_t end() const { return begin() + sizeof(RecordHeader) + logged.payload.size(); }
  };

  // A checkpoint comes first: it is where a reader begins.
  TestLog(const std::string& path, Way way, uint64_t ring_bytes = kRingBytes) : way_(way) {
    const WayGuard guard(way);
    auto created = LogWriter::Create(path, kUuid, ring_bytes, {[](Version) {}});
    EXPECT_THAT(created, IsOk());
    writer_ = *std::move(created);
    EXPECT_TRUE(AppendCheckpoint());
    Flush();
  }

  LogWriter& writer() { return *writer_; }
  const std::vector<Entry>& entries() const { return entries_; }
  const LogPlace& start() const { return start_; }
  uint64_t ring_bytes() const { return writer_->ring_bytes(); }
  Version last_version() const { return Version(version_); }
  // Everything before has been flushed.
  uint64_t flushed() const { return flushed_; }

  // False if the ring is full.
  bool Append(Bytes payload, bool flush_follows) {
    Logged logged{RecordKind::kTransaction, Version(version_ + 1), std::move(payload)};
    const auto appended = AppendTo(*writer_, logged, flush_follows);
    return Remember(std::move(logged), appended);
  }
  bool AppendCheckpoint() {
    const auto appended = writer_->AppendCheckpoint(Version(version_ + 1));
    return Remember({RecordKind::kCheckpoint, Version(version_ + 1), {}}, appended);
  }
  // The generation's number is known by reading it only.
  bool AppendGeneration() {
    const auto appended = writer_->AppendGeneration(Version(version_ + 1));
    if (!Remember({RecordKind::kGeneration, Version(version_ + 1), {}}, appended)) return false;
    Flush();
    Found found = ReadLog(writer_->file(), ring_bytes(), start_);
    EXPECT_EQ(found.records.size(), entries_.size());
    if (!found.records.empty()) entries_.back().logged.payload = found.records.back().payload;
    return true;
  }

  void Flush() {
    flushed_ = writer_->end().value;
    EXPECT_THAT(writer_->Flush(writer_->end()), IsOk());
  }

  // Gives up the oldest `count` records.
  void Recycle(size_t count) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(count));
    if (!entries_.empty()) start_ = entries_.front().appended.before;
    writer_->Recycle(start_.position);
  }

  // How many of the oldest records are in the file: what waits for its flush in memory is not.
  size_t InFile() const {
    const auto end = std::find_if(entries_.begin(), entries_.end(), [this](const Entry& entry) {
      return !entry.appended.outlives_process && entry.appended.end.value > flushed_;
    });
    return static_cast<size_t>(end - entries_.begin());
  }

  std::vector<Logged> Expected(size_t count) const {
    std::vector<Logged> expected;
    for (size_t i = 0; i < count; ++i) expected.push_back(entries_[i].logged);
    return expected;
  }

  void ExpectReadsBack() const {
    const size_t in_file = InFile();
    const Found found = ReadLog(writer_->file(), ring_bytes(), start_);
    // Not EXPECT_EQ, which would print megabytes.
    ASSERT_EQ(found.records.size(), in_file);
    EXPECT_TRUE(found.records == Expected(in_file));
    EXPECT_EQ(found.end.position,
              in_file > 0 ? entries_[in_file - 1].appended.end : start_.position);
  }

  // The process ends without a flush, and another one goes on with what it finds.
  void Reopen() {
    ExpectReadsBack();
    entries_.resize(InFile());
    const std::string path = writer_->path();
    const uint64_t ring_bytes = writer_->ring_bytes();
    writer_.reset();
    auto file = os::File::Open(path, os::OpenMode::kReadWrite);
    ASSERT_THAT(file, IsOk());
    const Found found = ReadLog(*file, ring_bytes, start_);
    const WayGuard guard(way_);
    auto continued = LogWriter::Continue(*std::move(file), ring_bytes, found.end, start_.position,
                                         {[](Version) {}});
    ASSERT_THAT(continued, IsOk());
    writer_ = *std::move(continued);
    flushed_ = writer_->end().value;
  }

 private:
  bool Remember(Logged logged, const absl::StatusOr<LogWriter::Appended>& appended) {
    if (!appended.ok()) {
      EXPECT_THAT(appended, StatusIs(absl::StatusCode::kResourceExhausted));
      return false;
    }
    if (entries_.empty()) start_ = appended->before;
    entries_.push_back({std::move(logged), *appended});
    ++version_;
    return true;
  }

  const Way way_;
  std::unique_ptr<LogWriter> writer_;
  std::vector<Entry> entries_;
  LogPlace start_;
  uint64_t flushed_ = 0;
  uint64_t version_ = 0;
};

}  // namespace espalier::log

#endif  // ESPALIER_ENGINE_LOG_LOG_FOR_TESTING_H_
