#include "engine/os/file_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/file.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::os {
namespace {

class FileReaderTest : public ::testing::TestWithParam<ReadFrom> {
 protected:
  // What was written last is only cached.
  void Write(size_t bytes) {
    content_.resize(bytes);
    for (uint8_t& byte : content_) byte = static_cast<uint8_t>(random_());
    ASSERT_THAT(file_.WriteAt(0, content_), IsOk());
    ASSERT_THAT(file_.SyncData(), IsOk());
    if (bytes > 5000) content_[5000] ^= 1;
    ASSERT_THAT(file_.WriteAt(0, content_), IsOk());
  }
  void ExpectRead(FileReader& reader, uint64_t offset, size_t length) const {
    std::vector<uint8_t> buffer(length, 0xee);
    const uint64_t expected =
        offset < content_.size() ? std::min<uint64_t>(length, content_.size() - offset) : 0;
    ASSERT_THAT(reader.ReadAt(offset, buffer), IsOkAndHolds(expected)) << offset;
    for (uint64_t i = 0; i < expected; ++i) ASSERT_EQ(buffer[i], content_[offset + i]) << offset;
  }

  TempDir dir_;
  File file_ = File::CreateExclusive(dir_.File("file")).value();
  std::vector<uint8_t> content_;
  std::mt19937_64 random_{TestSeed(1)};
};

INSTANTIATE_TEST_SUITE_P(Places, FileReaderTest,
                         ::testing::Values(ReadFrom::kCache, ReadFrom::kDevice),
                         [](const auto& from) {
                           return from.param == ReadFrom::kCache ? "Cache" : "Device";
                         });

TEST_P(FileReaderTest, AnyPiece) {
  for (const size_t size : {0, 1, 511, 512, 4095, 4096, 4097, 9000, 3'000'000, 4 << 20}) {
    SCOPED_TRACE(size);
    Write(size);
    FileReader reader(&file_, GetParam());
    for (uint64_t offset = 0; offset < size + 10; offset += 1 + random_() % (size / 8 + 1)) {
      ExpectRead(reader, offset, 1 + random_() % (size + 1));
    }
    ExpectRead(reader, 0, size + 1);
    ExpectRead(reader, size, 10);
    ExpectRead(reader, uint64_t{1} << 40, 10);
    ExpectRead(reader, 0, 1);
  }
}

TEST_P(FileReaderTest, AnErrorIsNotTheEnd) {
  Write(100'000);
  FileReader reader(&file_, GetParam());
  std::vector<uint8_t> buffer(100);
  {
    const FailingCalls calls(SystemCallKind::kRead, EIO);
    EXPECT_THAT(reader.ReadAt(0, buffer), StatusIs(absl::StatusCode::kInternal));
  }
  ExpectRead(reader, 0, 100);
}

TEST_P(FileReaderTest, WhereTheCacheCannotBePassed) {
  const FailingCalls calls(SystemCallKind::kOpen, EINVAL);
  FileReader reader(&file_, GetParam());
  Write(10'000);
  ExpectRead(reader, 0, 10'000);
}

}  // namespace
}  // namespace espalier::os
