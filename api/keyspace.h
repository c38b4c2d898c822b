// A keyspace is a named, ordered map of its own inside a database; a Keyspace is the handle that
// names it in calls. The empty name belongs to the default keyspace, which always exists.
#ifndef ESPALIER_API_KEYSPACE_H_
#define ESPALIER_API_KEYSPACE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace espalier {

// Cheap value; valid as long as its Database is open, from any thread and in any transaction of
// that database that can see the keyspace. In another database's transaction it gives
// kInvalidArgument, after the keyspace was dropped kNotFound. It survives a rename.
class Keyspace {
 public:
  // Refers to no keyspace; every call with it gives kInvalidArgument.
  Keyspace() = default;

  uint64_t id() const { return id_; }

 private:
  friend class Database;
  friend class Transaction;
  friend class WriteBatch;
  friend class WriteTransaction;
  Keyspace(uint64_t database, uint64_t id) : database_(database), id_(id) {}

  uint64_t database_ = 0;
  uint64_t id_ = 0;
};

// The half-open key interval [begin, end). An absent `end` means "to the last key".
struct KeyRange {
  std::string begin;
  std::optional<std::string> end;

  static KeyRange All() { return KeyRange{}; }
  static KeyRange From(std::string_view begin) {
    return KeyRange{std::string(begin), std::nullopt};
  }
  static KeyRange Between(std::string_view begin, std::string_view end) {
    return KeyRange{std::string(begin), std::string(end)};
  }
  // Every key that starts with `prefix`.
  static KeyRange Prefix(std::string_view prefix) {
    KeyRange range{std::string(prefix), std::nullopt};
    std::string end(prefix);
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (!end.empty()) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
      range.end = std::move(end);
    }
    return range;
  }
};

struct Entry {
  std::string_view key;
  std::string_view value;
};

}  // namespace espalier

#endif  // ESPALIER_API_KEYSPACE_H_
