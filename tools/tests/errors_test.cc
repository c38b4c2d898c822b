// What can go wrong outside the arguments: no such file, another process, damage, a full or closed
// output. Each verb has to exit with the right code and leave the files alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "espalier/database.h"
#include "tools/tests/program.h"
#include "tools/tests/scratch.h"

namespace espalier::tools {
namespace {

struct Call {
  std::string verb;
  std::vector<std::string> arguments;  // after DATABASE
};

// Every verb that works on an existing database.
std::vector<Call> AllCalls(const std::string& target) {
  return {{"get", {"key 1"}},      {"scan", {}},      {"count", {}}, {"dump", {}},
          {"dump", {"--salvage"}}, {"stat", {}},      {"check", {}}, {"del", {"key 1"}},
          {"compact", {}},         {"copy", {target}}};
}

class ErrorsTest : public ScratchTest {
 protected:
  ProgramResult Run(const Call& call) {
    std::vector<std::string> words = {call.verb, Path("db.esp")};
    words.insert(words.end(), call.arguments.begin(), call.arguments.end());
    return RunEspalier(words);
  }
  void ExpectFailure(const Call& call, int exit_code) {
    const ProgramResult result = Run(call);
    EXPECT_EQ(result.exit_code, exit_code) << call.verb << ": " << result.errors;
    EXPECT_TRUE(result.errors.starts_with("espalier: " + call.verb + ": ")) << result.errors;
    EXPECT_GT(result.errors.size(), call.verb.size() + 14) << "says nothing";
  }
  void Fill() {
    Database db = *Database::Open(Path("db.esp"));
    WriteTransaction txn = *db.BeginWrite();
    for (int i = 0; i < 5'000; ++i) {
      const std::string key = "key " + std::to_string(i);
      ASSERT_TRUE(txn.Put(db.default_keyspace(), key, key + " value").ok());
    }
    ASSERT_TRUE(txn.Put(db.default_keyspace(), "large", std::string(300'000, 'x')).ok());
    ASSERT_TRUE(txn.Commit().ok());
    ASSERT_TRUE(db.Close().ok());
  }
  size_t FilesIn(const std::string& directory) {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
  }
};

TEST_F(ErrorsTest, MissingFileIsNeverCreated) {
  for (const Call& call : AllCalls(Path("target"))) ExpectFailure(call, 4);
  EXPECT_EQ(FilesIn(Path("")), 0u);
}

TEST_F(ErrorsTest, ReadingVerbsChangeNothing) {
  Fill();
  const std::string before = ReadFile(Path("db.esp"));
  const size_t files = FilesIn(Path(""));
  for (const Call& call : AllCalls(Path("target"))) {
    if (call.verb == "del" || call.verb == "compact" || call.verb == "copy") continue;
    EXPECT_EQ(Run(call).exit_code, 0) << call.verb << Run(call).errors;
  }
  EXPECT_TRUE(ReadFile(Path("db.esp")) == before);
  EXPECT_EQ(FilesIn(Path("")), files);
}

TEST_F(ErrorsTest, DirectoriesAndForeignFilesAreTheEnvironments) {
  std::filesystem::create_directory(Path("db.esp"));
  for (const Call& call : AllCalls(Path("target"))) ExpectFailure(call, 4);
  std::filesystem::remove(Path("db.esp"));
  const std::string text(20'000, 'x');
  WriteFile(Path("db.esp"), text);
  for (const Call& call : AllCalls(Path("target"))) {
    // Salvage works without a superblock: of a foreign file it gets nothing.
    if (call.arguments == std::vector<std::string>{"--salvage"}) continue;
    ExpectFailure(call, 4);
  }
  EXPECT_EQ(ReadFile(Path("db.esp")), text);
}

TEST_F(ErrorsTest, ASecondProcessIsRefused) {
  Fill();
  const Database db = *Database::Open(Path("db.esp"));
  for (const Call& call : AllCalls(Path("target"))) ExpectFailure(call, 4);
  ExpectFailure({"put", {"key", "value"}}, 4);
  ExpectFailure({"load", {}}, 4);
}

TEST_F(ErrorsTest, UsageErrorsSayWhereToLook) {
  for (const char* verb : {"put", "get", "del", "scan", "count", "load", "dump", "stat", "check",
                           "compact", "copy", "bench"}) {
    const ProgramResult result = RunEspalier({verb});
    EXPECT_EQ(result.exit_code, 2) << verb;
    EXPECT_NE(result.errors.find(std::string("espalier: ") + verb + ": DATABASE"),
              std::string::npos)
        << result.errors;
    EXPECT_NE(result.errors.find("--help"), std::string::npos);
    EXPECT_EQ(RunEspalier({verb, Path("db.esp"), "--no-such-option"}).exit_code, 2) << verb;
  }
  EXPECT_EQ(RunEspalier({"demo", "--no-such-option"}).exit_code, 2);
  EXPECT_EQ(RunEspalier({}).exit_code, 2);
  EXPECT_EQ(RunEspalier({"no-such-verb"}).exit_code, 2);
  EXPECT_EQ(FilesIn(Path("")), 0u);
}

TEST_F(ErrorsTest, DamagedPagesAreFound) {
  Fill();
  std::string bytes = ReadFile(Path("db.esp"));
  // A byte in every page of the second half, past superblock and checkpoint slots.
  for (size_t at = bytes.size() / 2; at < bytes.size(); at += 4'096) bytes[at + 100] ^= 0x40;
  WriteFile(Path("db.esp"), bytes);
  const ProgramResult check = Run({"check", {}});
  EXPECT_EQ(check.exit_code, 3) << check.output << check.errors;
  EXPECT_EQ(Run({"dump", {}}).exit_code, 3);
  EXPECT_EQ(Run({"scan", {}}).exit_code, 3);
  const ProgramResult salvage = Run({"dump", {"--salvage"}});
  EXPECT_EQ(salvage.exit_code, 3) << salvage.errors;
  EXPECT_NE(salvage.errors.find("damaged page"), std::string::npos) << salvage.errors;
}

TEST_F(ErrorsTest, TruncatedFilesAreCorrupt) {
  Fill();
  const std::string bytes = ReadFile(Path("db.esp"));
  WriteFile(Path("db.esp"), bytes.substr(0, bytes.size() / 2));
  for (const Call& call : AllCalls(Path("target"))) {
    if (call.arguments == std::vector<std::string>{"--salvage"}) continue;
    ExpectFailure(call, 3);
  }
  EXPECT_EQ(ReadFile(Path("db.esp")).size(), bytes.size() / 2);
}

TEST_F(ErrorsTest, SalvageGetsTheEntriesOfValidLeaves) {
  Fill();
  const std::string bytes = ReadFile(Path("db.esp"));
  WriteFile(Path("db.esp"), bytes.substr(0, bytes.size() * 3 / 4));
  const ProgramResult salvage = Run({"dump", {"--salvage"}});
  EXPECT_TRUE(salvage.exit_code == 0 || salvage.exit_code == 3) << salvage.errors;
  WriteFile(Path("salvaged.txt"), salvage.output);
  ASSERT_EQ(RunEspalier({"load", Path("new.esp"), Path("salvaged.txt")}).exit_code, 0);
  const Database db = *Database::Open(Path("new.esp"));
}

TEST_F(ErrorsTest, SalvageSaysThatTheLogHasMore) {
  Database db = *Database::Open(Path("open.esp"), {.create_if_missing = true});
  ASSERT_TRUE(db.Put(db.default_keyspace(), "key", "value").ok());
  // As a killed process leaves it.
  for (const std::string end : {"", "-wal"}) {
    std::filesystem::copy_file(Path("open.esp") + end, Path("db.esp") + end);
  }
  EXPECT_EQ(Run({"dump", {}}).exit_code, 0);
  const ProgramResult salvage = Run({"dump", {"--salvage"}});
  EXPECT_EQ(salvage.exit_code, 3);
  EXPECT_NE(salvage.errors.find("the log has 1 transaction besides"), std::string::npos)
      << salvage.errors;
}

TEST_F(ErrorsTest, SalvageNeedsNoSuperblock) {
  Fill();
  std::string bytes = ReadFile(Path("db.esp"));
  // Superblock and both checkpoint slots.
  bytes.replace(0, 36'864, 36'864, '\0');
  WriteFile(Path("db.esp"), bytes);
  const ProgramResult salvage = Run({"dump", {"--salvage"}});
  EXPECT_EQ(salvage.exit_code, 3) << "names and order are lost: " << salvage.errors;
  ASSERT_EQ(RunEspalier({"load", Path("new.esp")}, salvage.output).exit_code, 0);
  EXPECT_EQ(RunEspalier({"count", Path("new.esp"), "--keyspace", "salvaged"}).output, "5001\n");
}

TEST_F(ErrorsTest, OutputThatCannotBeWrittenIsAnError) {
  Fill();
  const std::string command = EspalierBinary() + " scan " + Path("db.esp");
  const ProgramResult full = RunShell(command + " > /dev/full");
  EXPECT_EQ(full.exit_code, 4);
  EXPECT_NE(full.errors.find("espalier: scan: standard output: write: No space left"),
            std::string::npos);
  const ProgramResult closed = RunShell(command + " >&-");
  EXPECT_EQ(closed.exit_code, 4);
  EXPECT_NE(closed.errors.find("standard output: write:"), std::string::npos) << closed.errors;
}

TEST_F(ErrorsTest, AReaderThatHasEnoughIsNoError) {
  Fill();
  const std::string database = Path("db.esp");
  for (const char* verb : {"scan", "dump"}) {
    const ProgramResult result = RunShell("set -o pipefail; " + EspalierBinary() + " " + verb +
                                          " " + database + " | head -n 1");
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    EXPECT_EQ(result.errors, "");
  }
}

TEST_F(ErrorsTest, ClosedStandardDescriptorsNeverBecomeTheDatabase) {
  Fill();
  const std::string before = ReadFile(Path("db.esp"));
  RunShell(EspalierBinary() + " scan " + Path("db.esp") + " <&- >&- 2>&-");
  RunShell(EspalierBinary() + " get " + Path("db.esp") + " nothing <&- >&- 2>&-");
  EXPECT_TRUE(ReadFile(Path("db.esp")) == before);
  RunShell(EspalierBinary() + " put " + Path("db.esp") + " new value <&- >&- 2>&-");
  EXPECT_EQ(Run({"get", {"new"}}).output, "value\n");
  EXPECT_EQ(Run({"check", {}}).exit_code, 0);
}

TEST_F(ErrorsTest, APipeGetsNoProgressBar) {
  Fill();
  EXPECT_EQ(Run({"check", {}}).errors, "");
  EXPECT_EQ(Run({"dump", {}}).errors, "");
}

}  // namespace
}  // namespace espalier::tools
