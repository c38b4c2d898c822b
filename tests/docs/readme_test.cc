// What README.md shows is what compiles and runs.

#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace {

std::string ContentsOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(ReadmeTest, ShowsTheExampleAsItIs) {
  const std::string readme = ContentsOf("README.md");
  const std::string begin = "```cpp\n";
  const size_t at = readme.find(begin);
  ASSERT_NE(at, std::string::npos);
  const size_t from = at + begin.size();
  const size_t end = readme.find("```\n", from);
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(readme.substr(from, end - from), ContentsOf("examples/hello/main.cc"));
}

}  // namespace
