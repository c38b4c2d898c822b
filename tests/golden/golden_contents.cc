#include "tests/golden/golden_contents.h"

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "espalier/espalier.h"
#include "tests/hostile/memory_file.h"

namespace espalier::testing {
namespace {

// Bytes without a pattern, the same with every compiler and library.
std::string Noise(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(seed >> 56);
  }
  return bytes;
}

std::string Repeat(std::string_view text, size_t size) {
  std::string result;
  while (result.size() < size) result.append(text);
  result.resize(size);
  return result;
}

absl::Status Write(Database& db, const std::string& name, const KeyspaceOptions& options,
                   const std::map<std::string, std::string>& entries) {
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
  ESPALIER_ASSIGN_OR_RETURN(const Keyspace keyspace, txn.OpenOrCreateKeyspace(name, options));
  for (const auto& [key, value] : entries) ESPALIER_RETURN_IF_ERROR(txn.Put(keyspace, key, value));
  return txn.Commit().status();
}

constexpr char kCompressed[] = "compressed";

absl::Status WriteAll(Database& db, const Contents& contents) {
  for (const auto& [name, entries] : contents) {
    KeyspaceOptions options;
    if (name == kCompressed) options.compress_values_from_bytes = 64;
    ESPALIER_RETURN_IF_ERROR(Write(db, name, options, entries));
  }
  return absl::OkStatus();
}

}  // namespace

Contents GoldenContents() {
  Contents contents;
  auto& plain = contents[""];
  for (int i = 0; i < 120; ++i) {
    plain[absl::StrCat("fruit/", i % 7, "/", i)] = absl::StrCat("value ", i, Repeat(".", i % 40));
  }
  plain["empty value"] = "";
  plain[std::string("\0", 1)] = "a zero byte";
  plain["\xff\xff\xff\xff\xff"] = "the highest bytes";
  plain["large"] = Noise(9000, 1);

  auto& long_keys = contents["long keys"];
  for (int i = 0; i < 5; ++i) {
    long_keys[Repeat("prefix ", 1200) + Repeat(absl::StrCat(i), 778)] = absl::StrCat(i);
  }

  auto& compressed = contents[kCompressed];
  compressed["inline"] = Repeat("abcdefgh", 3000);
  compressed["incompressible"] = Noise(1000, 2);
  std::string mixed;
  for (int i = 0; i < 50; ++i) mixed += Noise(100, 3 + static_cast<uint64_t>(i)) + Repeat("-", 200);
  compressed["run"] = mixed;
  compressed["short"] = "below the threshold";

  contents["no entries"];
  contents["\xc3\xa9spalier"] = {{"key", "value"}};
  return contents;
}

absl::Status WriteGolden(const std::string& path) {
  Options options;
  options.page_size_bytes = 4096;
  ESPALIER_ASSIGN_OR_RETURN(Database db, Database::Open(path, options));
  ESPALIER_RETURN_IF_ERROR(WriteAll(db, GoldenContents()));
  return db.Close();
}

Contents MoreGoldenContents() {
  Contents contents;
  contents[""] = {{"chunks", Repeat("a value of three chunks; ", 140001)}, {"key", "value"}};
  return contents;
}

absl::Status WriteMoreGolden(const std::string& path) {
  Options options;
  options.page_size_bytes = 4096;
  ESPALIER_ASSIGN_OR_RETURN(Database db, Database::Open(path, options));
  // Leaves room for what the drop writes, so that the pages that it frees are the last of the file.
  const Keyspace plain = db.default_keyspace();
  ESPALIER_RETURN_IF_ERROR(db.Put(plain, "filler", Repeat("f", 60000)).status());
  ESPALIER_RETURN_IF_ERROR(WriteAll(db, MoreGoldenContents()));
  std::map<std::string, std::string> dropped;
  for (int i = 0; i < 160; ++i) dropped[absl::StrCat("key", 100 + i)] = Repeat("v", 1900);
  ESPALIER_RETURN_IF_ERROR(Write(db, "dropped", {}, dropped));
  ESPALIER_RETURN_IF_ERROR(db.Delete(plain, "filler").status());
  ESPALIER_RETURN_IF_ERROR(db.Close());

  ESPALIER_ASSIGN_OR_RETURN(db, Database::Open(path, options));
  ESPALIER_ASSIGN_OR_RETURN(const Keyspace keyspace, db.OpenKeyspace("dropped"));
  ESPALIER_RETURN_IF_ERROR(db.DropKeyspace(keyspace));
  return db.Close();
}

namespace {

constexpr int kAppendedEntries = 140;  // more than 32 leaves: the log refers to them

std::string AppendedKey(int i) { return absl::StrCat("appended ", 100 + i); }
std::string AppendedValue(int i) { return Repeat(absl::StrCat(i, ","), 900); }

// What the log has.
absl::Status ChangeEverything(Database& db) {
  const Keyspace plain = db.default_keyspace();
  ESPALIER_RETURN_IF_ERROR(db.Put(plain, "key 10", "overwritten").status());
  ESPALIER_RETURN_IF_ERROR(db.Delete(plain, "key 11").status());
  ESPALIER_RETURN_IF_ERROR(db.Put(plain, "in the log", Noise(9000, 4)).status());
  ESPALIER_RETURN_IF_ERROR(db.Put(plain, "by reference", Repeat("two chunks; ", 70000)).status());
  {
    ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
    ESPALIER_RETURN_IF_ERROR(
        txn.DeleteRange(plain, KeyRange::Between("key 20", "key 30")).status());
    ESPALIER_RETURN_IF_ERROR(txn.DeleteRange(plain, KeyRange::From("key 70")).status());
    ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
  }
  {
    ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace made, txn.CreateKeyspace("made"));
    ESPALIER_RETURN_IF_ERROR(txn.Put(made, "key", "value"));
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace renamed, txn.OpenKeyspace("old name"));
    ESPALIER_RETURN_IF_ERROR(txn.RenameKeyspace(renamed, "new name"));
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace dropped, txn.OpenKeyspace("dropped"));
    ESPALIER_RETURN_IF_ERROR(txn.DropKeyspace(dropped));
    ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
  }
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn,
                            db.BeginWrite({.durability = Durability::kAsync}));
  ESPALIER_ASSIGN_OR_RETURN(const Keyspace appended, txn.CreateKeyspace("appended"));
  for (int i = 0; i < kAppendedEntries; ++i) {
    ESPALIER_RETURN_IF_ERROR(txn.Append(appended, AppendedKey(i), AppendedValue(i)));
  }
  ESPALIER_ASSIGN_OR_RETURN(const CommitToken token, txn.Commit());
  return db.WaitDurable(token);
}

}  // namespace

Contents UncleanGoldenContents() {
  Contents contents;
  auto& plain = contents[""];
  for (int i = 10; i < 70; ++i) {
    if (i != 11 && (i < 20 || i >= 30)) plain[absl::StrCat("key ", i)] = absl::StrCat("value ", i);
  }
  plain["key 10"] = "overwritten";
  plain["in the log"] = Noise(9000, 4);
  plain["by reference"] = Repeat("two chunks; ", 70000);
  contents["made"] = {{"key", "value"}};
  contents["new name"] = {{"key", "value"}};
  for (int i = 0; i < kAppendedEntries; ++i)
    contents["appended"][AppendedKey(i)] = AppendedValue(i);
  return contents;
}

absl::Status WriteUncleanGolden(const std::string& path) {
  const std::string open_path = path + ".open";
  Options options;
  options.page_size_bytes = 4096;
  options.log_size_bytes = uint64_t{1} << 20;
  ESPALIER_ASSIGN_OR_RETURN(Database db, Database::Open(open_path, options));
  Contents before = {{"old name", {{"key", "value"}}}, {"dropped", {{"key", "value"}}}};
  for (int i = 10; i < 80; ++i) before[""][absl::StrCat("key ", i)] = absl::StrCat("value ", i);
  ESPALIER_RETURN_IF_ERROR(WriteAll(db, before));
  ESPALIER_RETURN_IF_ERROR(db.Checkpoint());
  ESPALIER_RETURN_IF_ERROR(ChangeEverything(db));
  ESPALIER_ASSIGN_OR_RETURN(const Stats stats, db.GetStats());
  // As they lie there, without what was only made ready to be written.
  namespace fs = std::filesystem;
  fs::copy_file(open_path, path);
  fs::copy_file(open_path + "-wal", path + "-wal");
  constexpr uint64_t kBlock = 4096;
  Bytes bytes = ReadFile(path);
  while (bytes.back() == 0) bytes.pop_back();
  fs::resize_file(path, (bytes.size() + kBlock - 1) / kBlock * kBlock);
  fs::resize_file(path + "-wal", (stats.log_used_bytes / kBlock + 4) * kBlock);
  ESPALIER_RETURN_IF_ERROR(db.Close());
  fs::remove(open_path);
  return absl::OkStatus();
}

}  // namespace espalier::testing
