// Espalier's dump and load against mdb_load and mdb_dump of Debian's lmdb-utils, in both
// directions.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "espalier/database.h"
#include "tools/tests/program.h"
#include "tools/tests/scratch.h"
#include "tools/text/dump_reader.h"

namespace espalier::tools {
namespace {

constexpr size_t kLmdbKeyBytes = 511;

using Entries = std::map<std::string, std::string>;
using Keyspaces = std::map<std::string, Entries>;

// Keys that LMDB can hold and values of all kinds. The seed is fixed: the cases are listed first
// and the random ones only fill up.
Entries AwkwardEntries(uint32_t seed) {
  Entries entries = {{std::string(1, '\0'), ""},
                     {"empty", ""},
                     {"newline\n", "\n\n"},
                     {"back\\slash", "\\\\ \\0a \\"},
                     {" spaces ", " leading and trailing "},
                     {"DATA=END", "HEADER=END"},
                     {std::string(kLmdbKeyBytes, '\xff'), std::string(kLmdbKeyBytes, '\0')},
                     {std::string(kLmdbKeyBytes, 'k'), std::string(100'000, '\\')},
                     {"large", std::string(1'000'000, '\n')}};
  std::mt19937 random(seed);
  for (int i = 0; i < 2'000; ++i) {
    std::string key(1 + random() % kLmdbKeyBytes, '\0');
    for (char& c : key) c = static_cast<char>(random());
    std::string value(i % 100 == 0 ? random() % 20'000 : random() % 200, '\0');
    for (char& c : value) c = static_cast<char>(random());
    entries[key] = value;
  }
  return entries;
}

class LmdbTest : public ScratchTest {
 protected:
  void Store(const Keyspaces& keyspaces, const KeyspaceOptions& options = {}) {
    Database db = *Database::Open(Path("db.esp"));
    for (const auto& [name, entries] : keyspaces) {
      WriteTransaction txn = *db.BeginWrite();
      const Keyspace keyspace = *txn.OpenOrCreateKeyspace(name, options);
      for (const auto& [key, value] : entries) ASSERT_TRUE(txn.Put(keyspace, key, value).ok());
      ASSERT_TRUE(txn.Commit().ok());
    }
    ASSERT_TRUE(db.Close().ok());
  }

  Entries Stored(const std::string& keyspace) {
    Database db = *Database::Open(Path("db.esp"), {.read_only = true});
    const ReadTransaction txn = *db.BeginRead();
    Entries entries;
    Scan scan = txn.Scan(*txn.OpenKeyspace(keyspace));
    for (const Entry& entry : scan) entries.emplace(entry.key, entry.value);
    EXPECT_TRUE(scan.status().ok()) << scan.status();
    return entries;
  }

  // What mdb_dump says is in an LMDB database, bytevalue only: with -p it does not escape
  // backslashes.
  Entries InLmdb(const std::string& database) {
    std::vector<std::string> command = {"mdb_dump", "-n"};
    if (!database.empty()) command.insert(command.end(), {"-s", database});
    command.push_back(Path("lmdb"));
    const ProgramResult dumped = RunProgram(command);
    EXPECT_EQ(dumped.exit_code, 0) << dumped.errors;
    Entries entries;
    LineReader lines([&dumped, at = size_t{0}](char* buffer, size_t size) mutable {
      const size_t count = dumped.output.copy(buffer, size, at);
      at += count;
      return absl::StatusOr<size_t>(count);
    });
    DumpReader reader(lines);
    EXPECT_TRUE(reader.NextSection().value_or(false));
    while (reader.NextEntry().value_or(false)) entries.emplace(reader.key(), reader.value());
    return entries;
  }

  ProgramResult DumpIntoLmdb(const std::vector<std::string>& options) {
    std::vector<std::string> command = {"dump", Path("db.esp")};
    command.insert(command.end(), options.begin(), options.end());
    const ProgramResult dumped = RunEspalier(command);
    EXPECT_EQ(dumped.exit_code, 0) << dumped.errors;
    std::filesystem::remove(Path("lmdb"));
    std::filesystem::remove(Path("lmdb-lock"));
    return RunProgram({"mdb_load", "-n", Path("lmdb")}, dumped.output);
  }
};

TEST_F(LmdbTest, MdbLoadReadsWhatDumpWrites) {
  const Keyspaces keyspaces = {
      {"", AwkwardEntries(1)}, {"one", AwkwardEntries(2)}, {"two", {{"k", "v"}}}};
  Store(keyspaces);
  for (const std::vector<std::string>& options : {std::vector<std::string>{}, {"--print"}}) {
    const ProgramResult loaded = DumpIntoLmdb(options);
    EXPECT_EQ(loaded.exit_code, 0) << loaded.errors;
    EXPECT_EQ(loaded.errors, "");
    // The main database also lists the named ones.
    Entries main = InLmdb("");
    EXPECT_EQ(main.erase("one") + main.erase("two"), 2u);
    EXPECT_TRUE(main == keyspaces.at(""));
    EXPECT_TRUE(InLmdb("one") == keyspaces.at("one"));
    EXPECT_TRUE(InLmdb("two") == keyspaces.at("two"));
  }
}

TEST_F(LmdbTest, LoadReadsWhatMdbDumpWrites) {
  const Keyspaces keyspaces = {{"", AwkwardEntries(3)}, {"named", AwkwardEntries(4)}};
  Store(keyspaces);
  ASSERT_EQ(DumpIntoLmdb({}).exit_code, 0);
  std::filesystem::remove(Path("db.esp"));

  const std::string all = RunProgram({"mdb_dump", "-n", "-a", Path("lmdb")}).output;
  const ProgramResult loaded = RunEspalier({"load", Path("db.esp")}, all);
  EXPECT_EQ(loaded.exit_code, 0) << loaded.errors;
  EXPECT_TRUE(Stored("named") == keyspaces.at("named"));
  // mdb_dump -a leaves out what the main database has beside the named ones.
  EXPECT_TRUE(Stored("").empty());

  const std::string main = RunProgram({"mdb_dump", "-n", Path("lmdb")}).output;
  EXPECT_EQ(RunEspalier({"load", Path("db.esp")}, main).exit_code, 0);
  Entries stored = Stored("");
  EXPECT_EQ(stored.erase("named"), 1u) << "the named database's own record, as data";
  EXPECT_TRUE(stored == keyspaces.at(""));
}

TEST_F(LmdbTest, LoadReadsThePrintFormatOfMdbDump) {
  Entries entries;
  for (const auto& [key, value] : AwkwardEntries(5)) {
    // mdb_dump -p of LMDB 0.9 writes a backslash as itself, which nobody can read back.
    if ((key + value).find('\\') == std::string::npos) entries.emplace(key, value);
  }
  Store({{"", entries}});
  ASSERT_EQ(DumpIntoLmdb({}).exit_code, 0);
  std::filesystem::remove(Path("db.esp"));
  const std::string text = RunProgram({"mdb_dump", "-n", "-p", Path("lmdb")}).output;
  EXPECT_NE(text.find("format=print"), std::string::npos);
  const ProgramResult loaded = RunEspalier({"load", Path("db.esp")}, text);
  EXPECT_EQ(loaded.exit_code, 0) << loaded.errors;
  EXPECT_TRUE(Stored("") == entries);
}

// Long keys that share a prefix and values that compress: the file is far smaller than what LMDB
// needs.
TEST_F(LmdbTest, TheMapSizeIsSufficient) {
  Keyspaces keyspaces;
  for (int i = 0; i < 8'000; ++i) {
    std::string key(kLmdbKeyBytes, 'p');
    const std::string number = std::to_string(i);
    key.replace(key.size() - number.size(), number.size(), number);
    keyspaces[""][key] = "";
  }
  for (int i = 0; i < 400; ++i) keyspaces["values"][std::to_string(i)] = std::string(200'000, 'v');
  Store(keyspaces, {.compress_values_from_bytes = 1'000});
  const ProgramResult loaded = DumpIntoLmdb({});
  EXPECT_EQ(loaded.exit_code, 0) << loaded.errors;
  EXPECT_EQ(InLmdb("").size(), 8'001u);
  EXPECT_TRUE(InLmdb("values") == keyspaces.at("values"));
}

TEST_F(LmdbTest, SalvagedTextLoadsToo) {
  Store({{"", AwkwardEntries(6)}, {"named", AwkwardEntries(7)}});
  const ProgramResult loaded = DumpIntoLmdb({"--salvage"});
  EXPECT_EQ(loaded.exit_code, 0) << loaded.errors;
  EXPECT_TRUE(InLmdb("named") == AwkwardEntries(7));
}

TEST_F(LmdbTest, SeveralValuesAKeyAreRefusedByName) {
  const std::string text =
      "VERSION=3\nformat=bytevalue\ndatabase=d\ntype=btree\ndupsort=1\nHEADER=END\n 61\n 62\n 61\n "
      "63\nDATA=END\n";
  // mdb_load forgets the flags of the first section; the second one counts.
  ASSERT_EQ(
      RunProgram(
          {"mdb_load", "-n", Path("lmdb")},
          "VERSION=3\nformat=bytevalue\ndatabase=first\ntype=btree\nHEADER=END\nDATA=END\n" + text)
          .exit_code,
      0);
  const std::string dumped = RunProgram({"mdb_dump", "-n", "-a", Path("lmdb")}).output;
  ASSERT_NE(dumped.find("duplicates=1"), std::string::npos) << dumped;
  const ProgramResult loaded = RunEspalier({"load", Path("db.esp")}, dumped);
  EXPECT_EQ(loaded.exit_code, 2);
  EXPECT_NE(loaded.errors.find(": duplicates=1: "), std::string::npos) << loaded.errors;
}

}  // namespace
}  // namespace espalier::tools
