// Pages, keys and models for the tests of nodes.
#ifndef ESPALIER_ENGINE_PAGE_NODE_FOR_TESTING_H_
#define ESPALIER_ENGINE_PAGE_NODE_FOR_TESTING_H_

#include <cstdint>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/page/format.h"
#include "engine/page/inner.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "engine/page/node_builder.h"

namespace espalier::page {

using Random = std::mt19937_64;

// A page as the tree has it: aligned, with a header.
class TestPage {
 public:
  TestPage(uint32_t page_bytes, Kind kind, uint32_t level)
      : page_bytes_(page_bytes), words_(page_bytes / 8, 0xdededededededede) {
    Header& header = HeaderOf(bytes());
    header = Header{};
    header.identity = Header::MakeIdentity(PageNumber(5), kind, level);
  }
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(words_.data()); }
  uint32_t size() const { return page_bytes_; }

 private:
  uint32_t page_bytes_;
  std::vector<uint64_t> words_;
};

inline std::string KeyAt(const Leaf& leaf, uint32_t index) {
  std::string key;
  leaf.key(index).CopyTo(key);
  return key;
}

inline std::string SeparatorAt(const Inner& node, uint32_t index) {
  std::string key;
  node.separator(index).CopyTo(key);
  return key;
}

// Keys that share prefixes, heads, and whole other keys.
inline std::string RandomKey(Random& random) {
  static constexpr const char* kStems[] = {"",     "a",        "ab",
                                           "abcd", "abcdefgh", "the same long stem "};
  std::string key = kStems[random() % std::size(kStems)];
  const uint64_t more = random() % 8;
  for (uint64_t i = 0; i < more; ++i)
    key +=
        "\x00\x01"
        "ab\xff"[random() % 5];
  if (key.empty()) key = "k";
  return key;
}

struct Value {
  std::string bytes;
  bool compressed = false;
  bool large = false;

  Payload payload() const { return {bytes, compressed, large}; }
};

inline Value RandomValue(Random& random) {
  Value value;
  value.bytes = std::string(random() % 40, static_cast<char>('a' + random() % 26));
  if (random() % 8 == 0) {
    value.large = true;
    value.bytes = std::string(LargeRef::kEncodedBytes, 'L');
  } else if (random() % 8 == 0 && value.bytes.size() >= 4) {
    value.compressed = true;
  }
  return value;
}

using LeafModel = std::map<std::string, Value>;

inline std::vector<LeafEntry> EntriesOf(const LeafModel& model) {
  std::vector<LeafEntry> entries;
  for (const auto& [key, value] : model) entries.push_back({key, value.payload()});
  return entries;
}

struct Child {
  uint64_t ref;
  uint64_t count;
};

using InnerModel = std::map<std::string, Child>;  // the first child under ""

inline std::vector<InnerEntry> EntriesOf(const InnerModel& model) {
  std::vector<InnerEntry> entries;
  for (const auto& [separator, child] : model) {
    entries.push_back({separator, ChildRef(child.ref), child.count});
  }
  return entries;
}

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_NODE_FOR_TESTING_H_
