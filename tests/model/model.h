// The reference that the engine is compared with: keyspaces as std::map. Keys and values are shared
// between copies, so that a snapshot of the whole model is cheap.

#ifndef ESPALIER_TESTS_MODEL_MODEL_H_
#define ESPALIER_TESTS_MODEL_MODEL_H_

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "espalier/espalier.h"

namespace espalier::testing {

// An immutable string, cheap to copy.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(std::make_shared<const std::string>(bytes)) {}
  const std::string& str() const { return *bytes_; }

 private:
  std::shared_ptr<const std::string> bytes_;
};

struct BytesLess {
  using is_transparent = void;
  bool operator()(const Bytes& a, const Bytes& b) const { return a.str() < b.str(); }
  bool operator()(const Bytes& a, std::string_view b) const { return a.str() < b; }
  bool operator()(std::string_view a, const Bytes& b) const { return a < b.str(); }
};

using Entries = std::map<Bytes, Bytes, BytesLess>;

struct ModelKeyspace {
  std::string name;
  Keyspace handle;
  KeyspaceOptions options;
  Entries entries;

  void Put(std::string_view key, std::string_view value) {
    entries.insert_or_assign(Bytes(key), Bytes(value));
  }
  uint64_t Rank(std::string_view key) const {
    return static_cast<uint64_t>(std::distance(entries.begin(), entries.lower_bound(key)));
  }
  std::pair<Entries::const_iterator, Entries::const_iterator> Range(const KeyRange& range) const {
    const auto begin = entries.lower_bound(std::string_view(range.begin));
    if (!range.end.has_value()) return {begin, entries.end()};
    if (*range.end <= range.begin) return {begin, begin};
    return {begin, entries.lower_bound(std::string_view(*range.end))};
  }
};

// By id, which a rename and a reopening keep.
using Model = std::map<uint64_t, ModelKeyspace>;

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_MODEL_MODEL_H_
