#include "tools/text/line_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "absl/status/status.h"

namespace espalier::tools {
namespace {

// Gives `text` in pieces of at most `piece` bytes.
ByteSource TextSource(std::string text, size_t piece) {
  return [text = std::move(text), piece, at = size_t{0}](char* buffer, size_t size) mutable {
    const size_t count = std::min({piece, size, text.size() - at});
    text.copy(buffer, count, at);
    at += count;
    return absl::StatusOr<size_t>(count);
  };
}

std::vector<std::string> Lines(const std::string& text, size_t piece) {
  LineReader reader(TextSource(text, piece));
  std::vector<std::string> lines;
  while (true) {
    auto line = reader.Next();
    EXPECT_TRUE(line.ok());
    if (!line.ok() || !line->has_value()) break;
    lines.emplace_back(**line);
    EXPECT_EQ(reader.line_number(), lines.size());
  }
  EXPECT_EQ(reader.bytes_read(), text.size());
  return lines;
}

TEST(LineReaderTest, SplitsAtNewlinesWhateverThePieces) {
  const std::vector<std::string> expected = {"one", "", " three", "last"};
  for (const size_t piece : {1, 2, 3, 5, 100}) {
    EXPECT_EQ(Lines("one\n\n three\nlast\n", piece), expected) << piece;
    EXPECT_EQ(Lines("one\n\n three\nlast", piece), expected) << piece;
  }
}

TEST(LineReaderTest, EmptyInputHasNoLines) { EXPECT_TRUE(Lines("", 10).empty()); }

TEST(LineReaderTest, LinesMayBeLongerThanTheBuffer) {
  const std::string longest(3'000'000, 'x');
  EXPECT_EQ(Lines("a\n" + longest + "\nb\n", 65'536),
            (std::vector<std::string>{"a", longest, "b"}));
}

TEST(LineReaderTest, BytesOfAllKindsPass) {
  const std::string line("\0\xff\r", 3);
  EXPECT_EQ(Lines(line + "\n", 10), std::vector<std::string>{line});
}

TEST(LineReaderTest, ErrorsOfTheSourceComeThrough) {
  LineReader reader(
      [](char*, size_t) { return absl::StatusOr<size_t>(absl::UnavailableError("gone")); });
  EXPECT_EQ(reader.Next().status().message(), "gone");
  LineReader closed(DescriptorSource(-1, "input"));
  EXPECT_EQ(closed.Next().status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace espalier::tools
