#include "tests/model/reading.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

void ExpectSameEntry(std::string_view key, std::string_view value,
                     const Entries::value_type& expected) {
  EXPECT_TRUE(key == expected.first.str())
      << Describe(key) << " instead of " << Describe(expected.first.str());
  EXPECT_TRUE(value == expected.second.str())
      << "value " << Describe(value) << " instead of " << Describe(expected.second.str());
}

template <typename Iterator>
void ExpectScan(Scan scan, Iterator begin, Iterator end) {
  for (const Entry& entry : scan) {
    ASSERT_TRUE(begin != end) << "more than the model: " << Describe(entry.key);
    ASSERT_NO_FATAL_FAILURE(ExpectSameEntry(entry.key, entry.value, *begin));
    if (::testing::Test::HasFailure()) return;
    ++begin;
  }
  ESPALIER_ASSERT_OK(scan.status());
  EXPECT_TRUE(begin == end) << "missing: " << Describe(begin->first.str());
}

void Lookup(const Transaction& txn, const ModelKeyspace& keyspace, const std::string& key,
            Random& random) {
  const auto expected = keyspace.entries.find(std::string_view(key));
  const bool present = expected != keyspace.entries.end();
  EXPECT_THAT(txn.Contains(keyspace.handle, key), IsOkAndHolds(present)) << Describe(key);
  const absl::StatusOr<std::string_view> value = txn.Get(keyspace.handle, key);
  const uint64_t offset = Below(random, 1000);
  const uint64_t length = Below(random, 1000);
  const absl::StatusOr<std::string_view> part = txn.GetPart(keyspace.handle, key, offset, length);
  if (!present) {
    EXPECT_THAT(value, StatusIs(absl::StatusCode::kNotFound, std::string())) << Describe(key);
    EXPECT_THAT(part, StatusIs(absl::StatusCode::kNotFound, std::string())) << Describe(key);
    return;
  }
  ESPALIER_ASSERT_OK(value);
  ExpectSameEntry(key, *value, *expected);
  ESPALIER_ASSERT_OK(part);
  const std::string_view whole = expected->second.str();
  EXPECT_TRUE(*part == whole.substr(std::min<uint64_t>(offset, whole.size()), length));
}

void LookupMany(const Transaction& txn, const ModelKeyspace& keyspace, const KeyPool& pool,
                Random& random) {
  std::vector<std::string> keys(Below(random, 100));
  for (std::string& key : keys) key = pool.PickNear(random);
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  std::vector<std::optional<std::string_view>> values(keys.size());
  ESPALIER_ASSERT_OK(txn.MultiGet(keyspace.handle, views, absl::MakeSpan(values)));
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto expected = keyspace.entries.find(views[i]);
    ASSERT_EQ(values[i].has_value(), expected != keyspace.entries.end()) << Describe(keys[i]);
    if (values[i].has_value()) ExpectSameEntry(keys[i], *values[i], *expected);
  }
}

void CountThings(const Transaction& txn, const ModelKeyspace& keyspace, const KeyPool& pool,
                 Random& random) {
  EXPECT_THAT(txn.Count(keyspace.handle), IsOkAndHolds(keyspace.entries.size()));
  const KeyRange range = RandomRange(pool, random);
  const auto [begin, end] = keyspace.Range(range);
  EXPECT_THAT(txn.Count(keyspace.handle, range),
              IsOkAndHolds(static_cast<uint64_t>(std::distance(begin, end))));
  const std::string key = pool.PickNear(random);
  EXPECT_THAT(txn.Rank(keyspace.handle, key), IsOkAndHolds(keyspace.Rank(key)));
}

void SelectOne(const Transaction& txn, const ModelKeyspace& keyspace, Random& random) {
  const uint64_t index = Below(random, keyspace.entries.size() + 2);
  absl::StatusOr<Cursor> cursor = txn.Select(keyspace.handle, index);
  if (index >= keyspace.entries.size()) {
    EXPECT_THAT(cursor, StatusIs(absl::StatusCode::kOutOfRange));
    return;
  }
  ESPALIER_ASSERT_OK(cursor);
  const auto at = std::next(keyspace.entries.begin(), static_cast<std::ptrdiff_t>(index));
  ExpectAt(*cursor, true, keyspace.entries, at);
}

// The position that a seek of each kind reaches.
struct Sought {
  bool found;
  Entries::const_iterator at;
};

Sought SeekSomewhere(Cursor& cursor, const Entries& entries, const KeyPool& pool, Random& random) {
  const std::string key = pool.PickNear(random);
  const std::string_view view = key;
  const auto lower = entries.lower_bound(view);
  switch (Below(random, 7)) {
    case 0:
      return {cursor.First(), entries.begin()};
    case 1:
      return {cursor.Last(), entries.empty() ? entries.end() : std::prev(entries.end())};
    case 2:
      return {cursor.SeekLowerBound(key), lower};
    case 3:
      return {cursor.SeekUpperBound(key), entries.upper_bound(view)};
    case 4:
      return {cursor.SeekExact(key), entries.find(view)};
    case 5: {
      const auto upper = entries.upper_bound(view);
      return {cursor.SeekForPrev(key), upper == entries.begin() ? entries.end() : std::prev(upper)};
    }
    default: {
      const std::string_view prefix = view.substr(0, Below(random, key.size() + 1));
      const auto first = entries.lower_bound(prefix);
      const bool starts = first != entries.end() && first->first.str().starts_with(prefix);
      return {cursor.SeekPrefix(prefix), starts ? first : entries.end()};
    }
  }
}

void WalkCursor(const Transaction& txn, const ModelKeyspace& keyspace, const KeyPool& pool,
                Random& random) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(Cursor cursor, txn.OpenCursor(keyspace.handle));
  const Entries& entries = keyspace.entries;
  EXPECT_FALSE(cursor.Valid());
  EXPECT_FALSE(cursor.Next());
  auto [found, at] = SeekSomewhere(cursor, entries, pool, random);
  ExpectAt(cursor, found, entries, at);
  for (uint64_t steps = Below(random, 40); steps > 0 && at != entries.end(); --steps) {
    if (OneIn(random, 3)) {
      at = at == entries.begin() ? entries.end() : std::prev(at);
      ExpectAt(cursor, cursor.Prev(), entries, at);
    } else {
      ++at;
      ExpectAt(cursor, cursor.Next(), entries, at);
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace

std::string Describe(std::string_view bytes) {
  if (bytes.size() <= 40)
    return absl::StrCat("\"", absl::CHexEscape(absl::string_view(bytes.data(), bytes.size())),
                        "\"");
  const auto escape = [](std::string_view part) {
    return absl::CHexEscape(absl::string_view(part.data(), part.size()));
  };
  return absl::StrCat("\"", escape(bytes.substr(0, 20)), "...",
                      escape(bytes.substr(bytes.size() - 8)), "\" (", bytes.size(), " bytes)");
}

KeyRange RandomRange(const KeyPool& pool, Random& random) {
  const std::string a = pool.PickNear(random);
  switch (Below(random, 8)) {
    case 0:
      return KeyRange::All();
    case 1:
      return KeyRange::From(a);
    case 2:
      return KeyRange::Prefix(std::string_view(a).substr(0, Below(random, a.size() + 1)));
    default: {
      const std::string b = pool.PickNear(random);
      // Now and then the wrong way round, which is an empty range.
      const bool swap = a > b && !OneIn(random, 8);
      return swap ? KeyRange::Between(b, a) : KeyRange::Between(a, b);
    }
  }
}

void ExpectAt(const Cursor& cursor, bool found, const Entries& entries,
              Entries::const_iterator expected) {
  ESPALIER_ASSERT_OK(cursor.status());
  ASSERT_EQ(found, expected != entries.end())
      << (found ? Describe(cursor.key()) : Describe(expected->first.str()));
  ASSERT_EQ(cursor.Valid(), found);
  if (!found) {
    EXPECT_EQ(cursor.key(), "");
    EXPECT_THAT(cursor.value(), StatusIs(absl::StatusCode::kFailedPrecondition));
    return;
  }
  const absl::StatusOr<std::string_view> value = cursor.value();
  ESPALIER_ASSERT_OK(value);
  ExpectSameEntry(cursor.key(), *value, *expected);
}

void ReadSomething(const Transaction& txn, const ModelKeyspace& keyspace, const KeyPool& pool,
                   Random& random) {
  switch (Below(random, 8)) {
    case 0:
      return LookupMany(txn, keyspace, pool, random);
    case 1:
      return CountThings(txn, keyspace, pool, random);
    case 2:
      return SelectOne(txn, keyspace, random);
    case 3:
      return WalkCursor(txn, keyspace, pool, random);
    case 4: {
      if (!OneIn(random, 4)) return Lookup(txn, keyspace, pool.Pick(random), random);
      const KeyRange range = RandomRange(pool, random);
      const auto [begin, end] = keyspace.Range(range);
      ExpectScan(txn.Scan(keyspace.handle, range), begin, end);
      ExpectScan(txn.ReverseScan(keyspace.handle, range), std::make_reverse_iterator(end),
                 std::make_reverse_iterator(begin));
      return;
    }
    default:
      return Lookup(txn, keyspace, pool.PickNear(random), random);
  }
}

bool Same(const Transaction& txn, const Model& model) {
  const absl::StatusOr<std::vector<KeyspaceInfo>> list = txn.ListKeyspaces();
  EXPECT_THAT(list, IsOk());
  if (!list.ok()) return false;
  EXPECT_EQ(list->size(), model.size());
  std::string last_name;
  for (const KeyspaceInfo& info : *list) {
    EXPECT_TRUE(info.name.empty() || info.name > last_name) << info.name << " after " << last_name;
    last_name = info.name;
    const auto found = model.find(info.keyspace.id());
    EXPECT_TRUE(found != model.end()) << info.name;
    if (found == model.end()) continue;
    const ModelKeyspace& keyspace = found->second;
    EXPECT_EQ(info.name, keyspace.name);
    EXPECT_EQ(info.entries, keyspace.entries.size());
    EXPECT_EQ(info.options.compress_values_from_bytes, keyspace.options.compress_values_from_bytes);
    ExpectScan(txn.Scan(info.keyspace), keyspace.entries.begin(), keyspace.entries.end());
    ExpectScan(txn.ReverseScan(info.keyspace), keyspace.entries.rbegin(), keyspace.entries.rend());
  }
  return !::testing::Test::HasFailure();
}

}  // namespace espalier::testing
