// load and dump, end to end: round trips, keyspaces, order, and input that cannot be loaded.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "espalier/database.h"
#include "tools/tests/program.h"
#include "tools/tests/scratch.h"

namespace espalier::tools {
namespace {

constexpr char kHeader[] = "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n";
constexpr char kEnd[] = "DATA=END\n";

class LoadTest : public ScratchTest {
 protected:
  ProgramResult Load(const std::string& text, std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"load", Path("db.esp")});
    return RunEspalier(options, text);
  }
  std::string Dump(std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"dump", Path("db.esp")});
    const ProgramResult result = RunEspalier(options);
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    return result.output;
  }
  // The entries of the default keyspace as scan prints them.
  std::string Scan() { return RunEspalier({"scan", Path("db.esp")}).output; }
};

TEST_F(LoadTest, DumpLoadsToTheSame) {
  {
    Database db = *Database::Open(Path("db.esp"));
    WriteTransaction txn = *db.BeginWrite();
    const Keyspace compressed =
        *txn.CreateKeyspace("compressed", {.compress_values_from_bytes = 100});
    const Keyspace strange = *txn.CreateKeyspace(std::string("new\nline\0\\", 10));
    ASSERT_TRUE(txn.CreateKeyspace("empty").ok());
    for (int i = 0; i < 3'000; ++i) {
      std::string key = "key " + std::to_string(i * 7919 % 3'000);
      for (int byte = 0; byte < i % 5; ++byte) key += static_cast<char>(i >> byte);
      ASSERT_TRUE(
          txn.Put(db.default_keyspace(), key, std::string(static_cast<size_t>(i % 300), '\\'))
              .ok());
      ASSERT_TRUE(txn.Put(compressed, key, std::string(static_cast<size_t>(i), 'c')).ok());
      ASSERT_TRUE(txn.Put(strange, key, "\n").ok());
    }
    ASSERT_TRUE(txn.Put(db.default_keyspace(), "large", std::string(1'000'000, '\0')).ok());
    ASSERT_TRUE(txn.Commit().ok());
    ASSERT_TRUE(db.Close().ok());
  }
  for (const std::vector<std::string>& options : {std::vector<std::string>{}, {"--print"}}) {
    const std::string text = Dump(options);
    std::filesystem::remove(Path("copy.esp"));
    const ProgramResult loaded = RunEspalier({"load", Path("copy.esp"), "--json"}, text);
    EXPECT_EQ(loaded.output, "{\"loaded\":9001,\"skipped\":0}\n") << loaded.errors;
    std::vector<std::string> again = {"dump", Path("copy.esp")};
    again.insert(again.end(), options.begin(), options.end());
    const std::string copied = RunEspalier(again).output;
    // The map size follows the file's.
    const auto without_map_size = [](std::string dump) {
      for (size_t at = 0; (at = dump.find("\nmapsize=", at)) != std::string::npos; ++at) {
        dump.erase(at, dump.find('\n', at + 1) - at);
      }
      return dump;
    };
    EXPECT_TRUE(without_map_size(copied) == without_map_size(text));
    EXPECT_EQ(RunEspalier({"check", Path("copy.esp")}).exit_code, 0);
  }
}

TEST_F(LoadTest, ReadsAFileOrStandardInput) {
  const std::string text = std::string(kHeader) + " a\n 1\n" + kEnd;
  EXPECT_EQ(Load(text).output, "loaded 1\n");
  EXPECT_EQ(Load(text, {"-"}).output, "loaded 1\n");
  WriteFile(Path("text"), text);
  EXPECT_EQ(Load("", {Path("text")}).output, "loaded 1\n");
  EXPECT_EQ(Load("", {Path("absent")}).exit_code, 4);
  EXPECT_EQ(Load("", {Path("")}).exit_code, 4);
  std::filesystem::remove(Path("db.esp"));
  EXPECT_EQ(Load("", {Path("absent")}).exit_code, 4);
  EXPECT_FALSE(Exists("db.esp")) << "nothing to load: nothing is created";
}

TEST_F(LoadTest, UnsortedInputIsLoadedToo) {
  EXPECT_EQ(Load(std::string(kHeader) + " b\n 1\n c\n 2\n a\n 3\n b\n 4\n" + kEnd).exit_code, 0);
  EXPECT_EQ(Scan(), "a\t3\nb\t4\nc\t2\n");
  EXPECT_EQ(Load(std::string(kHeader) + " a\n 5\n d\n 6\n" + kEnd, {"--no-overwrite"}).output,
            "loaded 1, skipped 1\n");
  EXPECT_EQ(Scan(), "a\t3\nb\t4\nc\t2\nd\t6\n");
}

TEST_F(LoadTest, AppendRefusesUnsortedInput) {
  const ProgramResult result = Load(std::string(kHeader) + " b\n 1\n a\n 2\n" + kEnd, {"--append"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.errors.find("espalier: load: line 8: the key is not greater"), std::string::npos)
      << result.errors;
  EXPECT_EQ(Scan(), "");
}

TEST_F(LoadTest, SectionsGoToTheirKeyspaces) {
  const std::string text =
      "VERSION=3\nformat=print\ndatabase=named\nHEADER=END\n n\n 1\nDATA=END\n"
      "VERSION=3\nformat=bytevalue\nHEADER=END\n 64\n 32\nDATA=END\n";
  EXPECT_EQ(Load(text, {"--keyspace", "other"}).exit_code, 0);
  EXPECT_EQ(RunEspalier({"get", Path("db.esp"), "n", "--keyspace", "named"}).output, "1\n");
  EXPECT_EQ(RunEspalier({"get", Path("db.esp"), "d", "--keyspace", "other"}).output, "2\n");
  EXPECT_EQ(Scan(), "");
  EXPECT_NE(Dump({"--keyspace", "other"}).find("database=other\n"), std::string::npos);
  EXPECT_EQ(Dump({"--keyspace", ""}).find("database="), std::string::npos);
}

TEST_F(LoadTest, AFailureSaysAtWhichLineAndKeepsWholeChunks) {
  const ProgramResult malformed = Load(std::string(kHeader) + " a\n 1\n b\n \\x\n" + kEnd);
  EXPECT_EQ(malformed.exit_code, 2);
  EXPECT_NE(malformed.errors.find("espalier: load: line 8: bad escape"), std::string::npos)
      << malformed.errors;
  EXPECT_NE(malformed.errors.find("(0 entries before it stay loaded)"), std::string::npos)
      << malformed.errors;
  EXPECT_EQ(Scan(), "");

  const ProgramResult key = Load(std::string(kHeader) + " \n 1\n" + kEnd);
  EXPECT_EQ(key.exit_code, 2);
  EXPECT_NE(key.errors.find("line 6: a key of 0 bytes"), std::string::npos) << key.errors;

  std::string text = kHeader;
  for (int i = 0; i < 1'500; ++i) text += " k" + std::to_string(1'000'000 + i) + "\n \n";
  const ProgramResult truncated = Load(text);
  EXPECT_EQ(truncated.exit_code, 2);
  EXPECT_NE(truncated.errors.find("line 3004: the input ends before DATA=END (1,000 entries"),
            std::string::npos)
      << truncated.errors;
  EXPECT_EQ(RunEspalier({"count", Path("db.esp")}).output, "1000\n");
}

TEST_F(LoadTest, DuplicatesAreRefusedByName) {
  const ProgramResult result = Load(
      "VERSION=3\nformat=bytevalue\nduplicates=1\ndupsort=1\nHEADER=END\n 61\n 62\nDATA=END\n");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.errors.find("line 3: duplicates=1: "), std::string::npos) << result.errors;
}

TEST_F(LoadTest, AnotherKeyOrderIsRemarkedOn) {
  const ProgramResult result =
      Load("VERSION=3\nformat=bytevalue\nreversekey=1\nHEADER=END\n 61\n 62\nDATA=END\n");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.errors.find("line 3: reversekey"), std::string::npos) << result.errors;
}

TEST_F(LoadTest, EmptyInputLoadsNothing) {
  EXPECT_EQ(Load("").output, "loaded 0\n");
  EXPECT_EQ(Scan(), "");
}

}  // namespace
}  // namespace espalier::tools
