// Every verb, end to end: what it prints, what it exits with, what it leaves on disk.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "espalier/database.h"
#include "tools/tests/program.h"
#include "tools/tests/scratch.h"

namespace espalier::tools {
namespace {

using Json = nlohmann::json;

class VerbsTest : public ScratchTest {
 protected:
  // Runs VERB on the test's database.
  ProgramResult Run(const std::string& verb, std::vector<std::string> arguments = {},
                    std::string_view input = "") {
    arguments.insert(arguments.begin(), {verb, Path("db.esp")});
    return RunEspalier(arguments, input);
  }
  void ExpectOutput(const ProgramResult& result, const std::string& output) {
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    EXPECT_EQ(result.output, output);
    EXPECT_EQ(result.errors, "");
  }
  void ExpectFailure(const ProgramResult& result, int exit_code, const std::string& message) {
    EXPECT_EQ(result.exit_code, exit_code) << result.errors;
    EXPECT_NE(result.errors.find(message), std::string::npos) << result.errors;
    EXPECT_EQ(result.output, "");
  }
  void Put(const std::string& key, const std::string& value) {
    ExpectOutput(Run("put", {"--", key, value}), "");
  }
};

TEST_F(VerbsTest, PutAndGet) {
  Put("key", "value");
  ExpectOutput(Run("get", {"key"}), "value\n");
  ExpectOutput(Run("get", {"key", "--raw"}), "value");
  ExpectOutput(Run("get", {"6b6579", "--hex"}), "76616c7565\n");
  ExpectOutput(Run("get", {"key", "--json"}), "{\"key\":\"key\",\"value\":\"value\"}\n");
  Put("key", "");
  ExpectOutput(Run("get", {"key"}), "\n");
  ExpectFailure(Run("get", {"other"}), 1, "espalier: get: no such key\n");
}

TEST_F(VerbsTest, PutFromStandardInput) {
  const std::string value("line\nand \0 zero", 15);
  ExpectOutput(Run("put", {"key", "-"}, value), "");
  ExpectOutput(Run("get", {"key", "--raw"}), value);
  ExpectOutput(Run("put", {"--hex", "ff00", "-"}, "0a5c\n"), "");
  ExpectOutput(Run("get", {"--hex", "FF00"}), "0a5c\n");
  ExpectFailure(Run("put", {"--hex", "6b", "0"}), 2, "hexadecimal");
}

TEST_F(VerbsTest, PutIfAbsent) {
  ExpectOutput(Run("put", {"--if-absent", "key", "1"}), "");
  ExpectFailure(Run("put", {"--if-absent", "key", "2"}), 1, "the key exists");
  ExpectOutput(Run("get", {"key"}), "1\n");
}

TEST_F(VerbsTest, KeysMayLookLikeAnything) {
  for (const char* key : {"put", "-k", "--json", "[a,b]", "{}", "\xff", "a b", "%s", "--"}) {
    Put(key, std::string("<") + key + ">");
    ExpectOutput(Run("get", {"--", key}), std::string("<") + key + ">\n");
  }
}

TEST_F(VerbsTest, KeysThatCannotBeAreUsageErrors) {
  Put("k", "v");
  ExpectFailure(Run("put", {"", "value"}), 2, "at least one byte");
  ExpectFailure(Run("put", {std::string(5'000, 'k'), "value"}), 2, "");
  ExpectFailure(Run("get", {""}), 2, "");
  ExpectFailure(Run("del", {""}), 2, "");
}

TEST_F(VerbsTest, DelOneKeyOrARange) {
  for (const char* key : {"a", "b1", "b2", "b3", "c"}) Put(key, "");
  ExpectOutput(Run("del", {"a"}), "");
  ExpectFailure(Run("del", {"a"}), 1, "no such key");
  ExpectOutput(Run("del", {"--prefix", "b", "--from", "b2"}), "2 entries deleted\n");
  ExpectOutput(Run("count"), "2\n");
  EXPECT_EQ(Run("del", {"--prefix", "x"}).exit_code, 1);
  ExpectFailure(Run("del"), 2, "give a KEY, or a range, or --all");
  ExpectFailure(Run("del", {"a", "--all"}), 2, "give a KEY");
  ExpectOutput(Run("del", {"--all", "--json"}), "{\"deleted\":2}\n");
  ExpectOutput(Run("count"), "0\n");
}

TEST_F(VerbsTest, ScanPrintsALineAnEntry) {
  Put("a", "1");
  Put("b\n\\", "2\t");
  ExpectOutput(Run("put", {"--hex", "63ff", "33"}), "");
  ExpectOutput(Run("scan"), "a\t1\nb\\0a\\5c\t2\\09\nc\xff\t3\n");
  ExpectOutput(Run("scan", {"--hex"}), "61\t31\n620a5c\t3209\n63ff\t33\n");
  ExpectOutput(Run("scan", {"--json"}),
               "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\\n\\\\\",\"value\":\"2\\t\"}\n"
               "{\"key_hex\":\"63ff\",\"value\":\"3\"}\n");
  ExpectOutput(Run("scan", {"--keys-only", "--reverse", "--limit", "2"}), "c\xff\nb\\0a\\5c\n");
  ExpectOutput(Run("scan", {"--from", "b", "--to", "c", "--keys-only"}), "b\\0a\\5c\n");
  ExpectOutput(Run("scan", {"--reverse", "--to", "b", "--keys-only"}), "a\n");
  ExpectOutput(Run("scan", {"--prefix", "z"}), "");
  ExpectOutput(Run("scan", {"--from", "c", "--to", "a"}), "");
  ExpectOutput(Run("scan", {"--limit", "0"}), "");
  ExpectFailure(Run("scan", {"--limit", "-1"}), 2, "--limit");
}

TEST_F(VerbsTest, CountTakesRanges) {
  for (int i = 0; i < 10; ++i) Put("k" + std::to_string(i), "");
  ExpectOutput(Run("count"), "10\n");
  ExpectOutput(Run("count", {"--from", "k3", "--to", "k7"}), "4\n");
  ExpectOutput(Run("count", {"--prefix", "k9", "--json"}), "{\"count\":1}\n");
}

TEST_F(VerbsTest, KeyspacesAreSeparate) {
  Put("key", "default");
  ExpectOutput(Run("put", {"--keyspace", "other", "key", "its own"}), "");
  ExpectOutput(Run("get", {"key", "--keyspace", "other"}), "its own\n");
  ExpectOutput(Run("get", {"key"}), "default\n");
  for (const char* verb : {"get", "del"}) {
    ExpectFailure(Run(verb, {"--keyspace", "absent", "key"}), 1, "no keyspace \"absent\"");
  }
  for (const char* verb : {"scan", "count", "dump"}) {
    ExpectFailure(Run(verb, {"--keyspace", "absent"}), 1, "no keyspace \"absent\"");
  }
}

TEST_F(VerbsTest, GlobalOptionsStandBeforeTheVerbToo) {
  Put("key", "value");
  ExpectOutput(RunEspalier({"--hex", "--json", "get", Path("db.esp"), "6b6579"}),
               "{\"key\":\"6b6579\",\"value\":\"76616c7565\"}\n");
  ExpectOutput(RunEspalier({"--keyspace", "new", "put", Path("db.esp"), "k", "v"}), "");
  ExpectOutput(Run("count", {"--keyspace", "new"}), "1\n");
  ExpectFailure(RunEspalier({"--hex", "stat", Path("db.esp")}), 2, "espalier: stat: has no --hex");
}

TEST_F(VerbsTest, StatTellsSizesAndKeyspaces) {
  Put("key", "value");
  ExpectOutput(Run("put", {"--keyspace", "other", "key", "value"}), "");
  const ProgramResult text = Run("stat");
  EXPECT_EQ(text.exit_code, 0);
  for (const char* word : {"(default)", "other", "4.00 KiB", "reachable", "no readers"}) {
    EXPECT_NE(text.output.find(word), std::string::npos) << word;
  }
  const Json json = Json::parse(Run("stat", {"--json"}).output);
  EXPECT_EQ(json["entries"], 2);
  EXPECT_EQ(json["page_size_bytes"], 4096);
  EXPECT_EQ(json["keyspaces"].size(), 2u);
  EXPECT_EQ(json["keyspaces"][1]["name"], "other");
  EXPECT_EQ(json["file_bytes"], ReadFile(Path("db.esp")).size());
}

TEST_F(VerbsTest, CheckFindsASoundDatabaseSound) {
  Put("key", "value");
  const ProgramResult text = Run("check");
  EXPECT_EQ(text.exit_code, 0) << text.errors << text.output;
  EXPECT_TRUE(text.output.ends_with("1 entry\nsound\n")) << text.output;
  const Json json = Json::parse(Run("check", {"--json"}).output);
  EXPECT_EQ(json["ok"], true);
  EXPECT_EQ(json["entries"], 1);
  EXPECT_TRUE(json["problems"].empty());
}

TEST_F(VerbsTest, CompactShrinksTheFile) {
  {
    Database db = *Database::Open(Path("db.esp"));
    WriteTransaction txn = *db.BeginWrite();
    for (int i = 0; i < 20'000; ++i) {
      ASSERT_TRUE(
          txn.Put(db.default_keyspace(), "key " + std::to_string(i), std::string(200, 'v')).ok());
    }
    ASSERT_TRUE(txn.Commit().ok());
    ASSERT_TRUE(db.Close().ok());
  }
  ExpectOutput(Run("del", {"--prefix", "key 1"}), "11,111 entries deleted\n");
  const ProgramResult result = Run("compact", {"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const Json json = Json::parse(result.output);
  EXPECT_LE(json["file_bytes_after"], json["file_bytes_before"]);
  ExpectOutput(Run("count"), "8889\n");
  EXPECT_EQ(Run("check").exit_code, 0);
}

TEST_F(VerbsTest, CopyMakesASecondDatabase) {
  Put("key", "value");
  ExpectOutput(Run("copy", {Path("copy.esp")}), "");
  ExpectOutput(RunEspalier({"get", Path("copy.esp"), "key"}), "value\n");
  EXPECT_EQ(RunEspalier({"check", Path("copy.esp")}).exit_code, 0);
  ExpectFailure(Run("copy", {Path("copy.esp")}), 4, "copy.esp");
  ExpectFailure(Run("copy", {Path("no/such/directory")}), 4, "");
  ExpectOutput(Run("copy", {Path("packed.esp"), "--compact"}), "");
}

TEST_F(VerbsTest, BenchLeavesNothingBehindAndNeverOverwrites) {
  const ProgramResult result = Run("bench", {"--entries", "2000", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_EQ(Json::parse(result.output)["rows"].size(), 7u);
  EXPECT_FALSE(Exists("db.esp"));
  Put("key", "value");
  ExpectFailure(Run("bench"), 4, "there is a file");
  ExpectOutput(Run("get", {"key"}), "value\n");
  ExpectFailure(Run("bench", {"--entries", "0"}), 2, "--entries");
}

TEST_F(VerbsTest, DemoChecksEverything) {
  std::filesystem::create_directory(Path("lists"));
  WriteFile(Path("lists/one.list"), "/.\n/etc\n/usr/share/doc/one\n");
  WriteFile(Path("lists/two.list"), "/.\n/usr/share/doc/two\n/no/such/file\n");
  const std::vector<std::string> command = {"demo", "--package-lists", Path("lists"), "--directory",
                                            Path("")};
  const ProgramResult result = RunEspalier(command);
  EXPECT_EQ(result.exit_code, 0) << result.output << result.errors;
  EXPECT_NE(result.output.find("checks passed."), std::string::npos) << result.output;
  EXPECT_NE(result.output.find("acknowledged commits is there"), std::string::npos)
      << result.output;
  EXPECT_EQ(result.errors, "");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(Path("")), {}), 1)
      << "only the lists stay";
  ExpectFailure(RunEspalier({"demo", "--directory", Path("absent")}), 4, "absent");
  EXPECT_EQ(
      RunEspalier({"demo", "--package-lists", Path("absent"), "--directory", Path("")}).exit_code,
      4);
}

TEST_F(VerbsTest, HelpIsThereForEveryVerb) {
  EXPECT_EQ(RunEspalier({"--help"}).exit_code, 0);
  EXPECT_EQ(RunEspalier({"--version"}).exit_code, 0);
  for (const char* verb : {"put", "get", "del", "scan", "count", "load", "dump", "stat", "check",
                           "compact", "copy", "bench", "demo"}) {
    const ProgramResult result = RunEspalier({verb, "--help"});
    EXPECT_EQ(result.exit_code, 0) << verb;
    EXPECT_NE(result.output.find(std::string("espalier ") + verb), std::string::npos)
        << result.output;
  }
}

}  // namespace
}  // namespace espalier::tools
