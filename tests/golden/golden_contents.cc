#include "tests/golden/golden_contents.h"

#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "espalier/espalier.h"

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

}  // namespace espalier::testing
