#include "tests/hostile/sample_database.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/os/temp_dir_for_testing.h"

namespace espalier::testing {
namespace {

std::string RandomBytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string Repeat(std::string_view text, size_t size) {
  std::string result;
  while (result.size() < size) result.append(text);
  result.resize(size);
  return result;
}

// Half of it compresses.
std::string HalfRandom(size_t size, uint32_t seed) {
  std::string result = RandomBytes(size, seed);
  for (size_t i = 0; i < size; ++i) {
    if (i / 64 % 2 == 0) result[i] = 'x';
  }
  return result;
}

// Names that a file of any content cannot confuse with real ones need not be printed.
std::string Short(std::string_view key) {
  return key.size() <= 40 ? std::string(key) : absl::StrCat(std::string(key.substr(0, 37)), "...");
}

class Reader {
 public:
  Reader(const ReadTransaction& txn, ReadResult& result) : txn_(txn), result_(result) {}

  void ReadKeyspace(const std::string& name, const std::map<std::string, std::string>& entries) {
    const absl::StatusOr<Keyspace> keyspace = txn_.OpenKeyspace(name);
    if (!Fine(keyspace.status(), absl::StrCat("open keyspace ", name))) return;
    name_ = name;
    Points(*keyspace, entries);
    Many(*keyspace, entries);
    Forwards(*keyspace, entries);
    Backwards(*keyspace, entries);
    Positions(*keyspace, entries);
  }

  void List(const Contents& contents) {
    const auto list = txn_.ListKeyspaces();
    if (!Fine(list.status(), "list keyspaces")) return;
    Expect(list->size() == contents.size(), "number of keyspaces");
    for (const KeyspaceInfo& info : *list) {
      const auto at = contents.find(info.name);
      Expect(at != contents.end(), "a keyspace's name");
      if (at != contents.end()) Expect(info.entries == at->second.size(), "a keyspace's size");
    }
  }

 private:
  // Whether the call gave an answer; notes a status that damage does not explain.
  bool Fine(const absl::Status& status, std::string_view what) {
    if (status.ok()) return true;
    if (absl::IsDataLoss(status)) {
      result_.damaged = true;
    } else {
      Wrong(absl::StrCat(std::string(what), ": ", status.ToString()));
    }
    return false;
  }

  void Expect(bool as_it_should_be, std::string_view what) {
    if (!as_it_should_be) Wrong(absl::StrCat(std::string(what), " in '", name_, "' is wrong"));
  }

  void Wrong(const std::string& what) {
    if (result_.wrong.empty()) result_.wrong = what;
  }

  void Points(const Keyspace& keyspace, const std::map<std::string, std::string>& entries) {
    for (const auto& [key, value] : entries) {
      const auto found = txn_.Get(keyspace, key);
      if (Fine(found.status(), absl::StrCat("get ", Short(key)))) {
        Expect(*found == value, absl::StrCat("the value of ", Short(key)));
      }
      const auto part = txn_.GetPart(keyspace, key, value.size() / 2, 100);
      if (Fine(part.status(), absl::StrCat("get a part of ", Short(key)))) {
        Expect(*part == std::string_view(value).substr(value.size() / 2, 100),
               absl::StrCat("a part of the value of ", Short(key)));
      }
      if (key.size() > 1900) continue;  // there may be no longer key
      const auto missing = txn_.Contains(keyspace, key + "?");
      if (Fine(missing.status(), "look for a missing key")) Expect(!*missing, "a key too many");
    }
  }

  void Many(const Keyspace& keyspace, const std::map<std::string, std::string>& entries) {
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : entries) keys.push_back(key);
    std::vector<std::optional<std::string_view>> values(keys.size());
    if (!Fine(txn_.MultiGet(keyspace, keys, absl::MakeSpan(values)), "multi-get")) return;
    for (size_t i = 0; i < keys.size(); ++i) {
      Expect(values[i] == entries.at(std::string(keys[i])),
             absl::StrCat("the value by MultiGet of ", Short(keys[i])));
    }
  }

  void Forwards(const Keyspace& keyspace, const std::map<std::string, std::string>& entries) {
    auto cursor = txn_.OpenCursor(keyspace);
    if (!Fine(cursor.status(), "open a cursor")) return;
    auto expected = entries.begin();
    bool found = cursor->First();
    for (; found && expected != entries.end(); found = cursor->Next(), ++expected) {
      Expect(cursor->key() == expected->first, absl::StrCat("key ", Short(expected->first)));
      const auto value = cursor->value();
      if (Fine(value.status(), "a cursor's value")) {
        Expect(*value == expected->second, absl::StrCat("value at ", Short(expected->first)));
      }
    }
    Expect(!found, "an entry after the last one");
    if (Fine(cursor->status(), "scan")) Expect(expected == entries.end(), "the end of the scan");
  }

  void Backwards(const Keyspace& keyspace, const std::map<std::string, std::string>& entries) {
    auto scan = txn_.ReverseScan(keyspace);
    auto expected = entries.rbegin();
    for (const Entry& entry : scan) {
      if (expected == entries.rend()) {
        Expect(false, "an entry before the first one");
        return;
      }
      Expect(entry.key == expected->first && entry.value == expected->second,
             absl::StrCat("reverse scan at ", Short(expected->first)));
      ++expected;
    }
    if (Fine(scan.status(), "reverse scan")) {
      Expect(expected == entries.rend(), "the end of the reverse scan");
    }
  }

  void Positions(const Keyspace& keyspace, const std::map<std::string, std::string>& entries) {
    const auto count = txn_.Count(keyspace);
    if (Fine(count.status(), "count")) Expect(*count == entries.size(), "the count");
    uint64_t index = 0;
    for (const auto& [key, value] : entries) {
      if (index % 7 == 0) {
        const auto rank = txn_.Rank(keyspace, key);
        if (Fine(rank.status(), "rank"))
          Expect(*rank == index, absl::StrCat("rank of ", Short(key)));
        const auto range = txn_.Count(keyspace, KeyRange::From(key));
        if (Fine(range.status(), "count a range")) {
          Expect(*range == entries.size() - index, absl::StrCat("count from ", Short(key)));
        }
        const auto selected = txn_.Select(keyspace, index);
        if (Fine(selected.status(), "select")) {
          Expect(selected->key() == key, absl::StrCat("selected instead of ", Short(key)));
        }
      }
      ++index;
    }
  }

  const ReadTransaction& txn_;
  ReadResult& result_;
  std::string name_;
};

}  // namespace

Options SmallMappingOptions(bool read_only) {
  Options options;
  options.create_if_missing = false;
  options.read_only = read_only;
  options.address_space_bytes = size_t{4} << 20;
  return options;
}

absl::Status FillSample(Database& db, const SampleOptions& options, Contents& contents) {
  std::map<std::string, std::string>& plain = contents[""];
  for (int i = 0; i < 70; ++i) {
    plain[absl::StrCat("user/", 1000 + 37 * i % 997, "/name")] = Repeat(absl::StrCat(i, "-"), 90);
  }
  plain["user/"] = "";  // a prefix of the others, without a value
  plain["z"] = RandomBytes(5000, 2);
  if (options.chunked_value) plain["zz"] = RandomBytes(70000, 3);

  // Long keys, of which separators go to the heap of their inner node.
  std::map<std::string, std::string>& wide = contents["wide"];
  for (int i = 0; i < 6; ++i) {
    wide[Repeat("a long common prefix ", 600) + Repeat(absl::StrCat(i, "."), 700)] =
        RandomBytes(9, 4);
  }

  std::map<std::string, std::string>& squeezed = contents["squeezed"];
  for (int i = 0; i < 5; ++i)
    squeezed[absl::StrCat("page", i)] = Repeat("lorem ipsum ", 300 + 90 * i);
  squeezed["large"] = HalfRandom(12000, 5);  // a compressed run
  squeezed["noise"] = RandomBytes(200, 6);   // what LZ4 cannot take
  contents["empty"];

  for (const auto& [name, entries] : contents) {
    ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
    KeyspaceOptions keyspace_options;
    if (name == "squeezed") keyspace_options.compress_values_from_bytes = 100;
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace keyspace,
                              txn.OpenOrCreateKeyspace(name, keyspace_options));
    for (const auto& [key, value] : entries) {
      ESPALIER_RETURN_IF_ERROR(txn.Put(keyspace, key, value));
    }
    ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
  }
  if (options.dropped_tree) {
    ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db.BeginWrite());
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace dropped, txn.CreateKeyspace("dropped"));
    for (int i = 0; i < 100; ++i) {
      ESPALIER_RETURN_IF_ERROR(txn.Put(dropped, absl::StrCat("key", i), Repeat("v", 1900)));
    }
    ESPALIER_RETURN_IF_ERROR(txn.Put(dropped, "large", RandomBytes(20000, 7)));
    ESPALIER_RETURN_IF_ERROR(txn.Commit().status());
    ESPALIER_RETURN_IF_ERROR(db.DropKeyspace(dropped));
  }
  return absl::OkStatus();
}

Sample MakeSample(const SampleOptions& options) {
  os::TempDir dir;
  const std::string path = dir.File("sample.esp");
  Sample sample;
  absl::Status status = [&] {
    Options open_options = SmallMappingOptions();
    open_options.create_if_missing = true;
    open_options.page_size_bytes = options.page_size_bytes;
    ESPALIER_ASSIGN_OR_RETURN(Database db, Database::Open(path, open_options));
    ESPALIER_RETURN_IF_ERROR(FillSample(db, options, sample.contents));
    return db.Close();
  }();
  if (!status.ok()) {
    std::fprintf(stderr, "cannot make a sample database: %s\n", status.ToString().c_str());
    abort();
  }
  sample.image = ReadFile(path);
  return sample;
}

ReadResult ReadEverything(Database& db, const Contents& contents) {
  ReadResult result;
  const auto txn = db.BeginRead();
  if (!txn.ok()) {
    result.wrong = txn.status().ToString();
    return result;
  }
  Reader reader(*txn, result);
  reader.List(contents);
  for (const auto& [name, entries] : contents) reader.ReadKeyspace(name, entries);
  return result;
}

}  // namespace espalier::testing
