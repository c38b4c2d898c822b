// The options that verbs have in common, as CLI11 reads them.
#include "tools/cli/verb.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

Invocation TestInvocation() {
  return {.verb = "scan",
          .database_path = "",
          .keyspace_argument = std::nullopt,
          .json = false,
          .hex = false,
          .output = Output([](std::string_view) { return absl::OkStatus(); })};
}

absl::StatusOr<KeyRange> RangeOf(const std::vector<std::string>& words) {
  Invocation invocation = TestInvocation();
  CLI::App app;
  KeyRangeArguments arguments;
  CLI::App* verb = AddVerb(app, "scan", "", invocation);
  AddHexOption(*verb, invocation);
  AddKeyRangeOptions(*verb, &arguments);
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  reversed.emplace_back("db.esp");
  reversed.emplace_back("scan");
  app.parse(reversed);
  EXPECT_EQ(invocation.database_path, "db.esp");
  return ToKeyRange(invocation, arguments);
}

void ExpectRange(const std::vector<std::string>& words, const std::string& begin,
                 const std::optional<std::string>& end) {
  const absl::StatusOr<KeyRange> range = RangeOf(words);
  ASSERT_TRUE(range.ok()) << range.status();
  EXPECT_EQ(range->begin, begin);
  EXPECT_EQ(range->end, end);
}

TEST(KeyRangeOptionsTest, EveryCombinationIsAnIntersection) {
  ExpectRange({}, "", std::nullopt);
  ExpectRange({"--prefix", "ab"}, "ab", "ac");
  ExpectRange({"--from", "b"}, "b", std::nullopt);
  ExpectRange({"--to", "d"}, "", "d");
  ExpectRange({"--from", "b", "--to", "d"}, "b", "d");
  ExpectRange({"--prefix", "ab", "--from", "abc"}, "abc", "ac");
  ExpectRange({"--prefix", "ab", "--from", "aa", "--to", "abx"}, "ab", "abx");
}

TEST(KeyRangeOptionsTest, ContradictionsAreEmptyRanges) {
  ExpectRange({"--from", "d", "--to", "b"}, "d", "d");
  ExpectRange({"--to", ""}, "", "");
  ExpectRange({"--prefix", "b", "--to", "a"}, "b", "b");
}

TEST(KeyRangeOptionsTest, HexIsDecoded) {
  ExpectRange({"--hex", "--prefix", "61ff"}, "a\xff", "b");
  EXPECT_EQ(RangeOf({"--hex", "--from", "6"}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(KeyRangeOptionsTest, ValuesMayLookLikeOptions) {
  ExpectRange({"--from", "-x"}, "-x", std::nullopt);
  ExpectRange({"--from=--to", "--to", "[a,b]"}, "--to", "[a,b]");
}

}  // namespace
}  // namespace espalier::tools
