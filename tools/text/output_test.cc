#include "tools/text/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace espalier::tools {
namespace {

TEST(OutputTest, KeepsTheOrderOfSmallAndLargeWrites) {
  std::string written;
  Output output([&](std::string_view bytes) {
    written += bytes;
    return absl::OkStatus();
  });
  std::string expected;
  for (const size_t size : {10, 100'000, 1, 65'536, 65'000, 700, 0, 3}) {
    const std::string piece(size, static_cast<char>('a' + size % 26));
    output.Write(piece);
    expected += piece;
  }
  EXPECT_TRUE(output.Flush().ok());
  EXPECT_EQ(written, expected);
}

TEST(OutputTest, TheFirstErrorStaysAndStopsTheWriting) {
  int calls = 0;
  Output output([&](std::string_view) {
    ++calls;
    return absl::UnavailableError("full");
  });
  output.Write("a");
  EXPECT_TRUE(output.ok());
  EXPECT_EQ(output.Flush().message(), "full");
  output.Write(std::string(1'000'000, 'b'));
  EXPECT_EQ(output.Flush().message(), "full");
  EXPECT_EQ(calls, 1);
}

TEST(OutputTest, APipeWithoutReaderCancels) {
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  EXPECT_EQ(DescriptorSink(ends[1], "pipe")("x").code(), absl::StatusCode::kCancelled);
  close(ends[1]);
}

TEST(OutputTest, AFullDeviceIsAnError) {
  const int fd = open("/dev/full", O_WRONLY);
  ASSERT_GE(fd, 0);
  const absl::Status status = DescriptorSink(fd, "standard output")("x");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(), "standard output: write: No space left on device");
  close(fd);
}

}  // namespace
}  // namespace espalier::tools
