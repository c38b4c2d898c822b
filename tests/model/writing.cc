#include "tests/model/writing.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/model/reading.h"
#include "tests/support/test_database.h"

namespace espalier::testing {

void Writing::Note(std::string_view operation, const ModelKeyspace& keyspace,
                   std::string_view key) {
  last_ = absl::StrCat(std::string(operation), " \"", keyspace.name, "\" ", Describe(key));
}

ModelKeyspace& Writing::AnyKeyspace() {
  auto keyspace = model_.begin();
  // The default keyspace in half of the cases.
  if (OneIn(random_, 2)) {
    std::advance(keyspace, static_cast<std::ptrdiff_t>(Below(random_, model_.size())));
  }
  return keyspace->second;
}

void Writing::DoSomething() {
  ModelKeyspace& keyspace = AnyKeyspace();
  switch (Below(random_, 32)) {
    case 0:
      return PutView(keyspace);
    case 1:
    case 2:
      return PutIfAbsent(keyspace);
    case 3:
    case 4:
      return CompareAndSwap(keyspace);
    case 5:
      return Reserve(keyspace);
    case 6:
      return Append(keyspace);
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      return Delete(keyspace);
    case 12:
      return OneIn(random_, 6) ? DeleteRange(keyspace) : Delete(keyspace);
    case 13:
      return OpenTrackedCursor(keyspace);
    case 14:
    case 15:
    case 16:
    case 17:
      return MoveTrackedCursor();
    case 18:
      return OneIn(random_, 4) ? ChangeKeyspaces() : MoveTrackedCursor();
    case 19:
    case 20:
    case 21:
    case 22:
      Note("read", keyspace);
      return ReadSomething(txn_, keyspace, pool_, random_);
    default:
      return Put(keyspace);
  }
}

void Writing::Put(ModelKeyspace& keyspace) {
  const std::string& key = pool_.Pick(random_);
  const std::string value = Value();
  Note(absl::StrCat("put ", value.size(), " bytes"), keyspace, key);
  ESPALIER_ASSERT_OK(txn_.Put(keyspace.handle, key, value));
  keyspace.Put(key, value);
}

// The value, and sometimes the key, is a view into the database itself.
void Writing::PutView(ModelKeyspace& keyspace) {
  const ModelKeyspace& source = AnyKeyspace();
  const auto from = source.entries.lower_bound(std::string_view(pool_.Pick(random_)));
  if (from == source.entries.end()) return;
  const std::string& key = pool_.Pick(random_);
  Note("put view of another value at", keyspace, key);
  const Bytes value = from->second;
  const absl::StatusOr<std::string_view> view = txn_.Get(source.handle, from->first.str());
  ESPALIER_ASSERT_OK(view);
  ESPALIER_ASSERT_OK(txn_.Put(keyspace.handle, key, *view));
  keyspace.entries.insert_or_assign(Bytes(key), value);
}

void Writing::PutIfAbsent(ModelKeyspace& keyspace) {
  const std::string& key = pool_.Pick(random_);
  const std::string value = Value();
  Note("put if absent", keyspace, key);
  const bool absent = !keyspace.entries.contains(std::string_view(key));
  ASSERT_THAT(txn_.PutIfAbsent(keyspace.handle, key, value), IsOkAndHolds(absent));
  if (absent) keyspace.Put(key, value);
}

void Writing::CompareAndSwap(ModelKeyspace& keyspace) {
  const std::string& key = pool_.Pick(random_);
  Note("compare and swap", keyspace, key);
  const auto present = keyspace.entries.find(std::string_view(key));
  std::optional<std::string> actual;
  if (present != keyspace.entries.end()) actual = present->second.str();
  std::optional<std::string> expected = actual;
  if (OneIn(random_, 3)) {
    expected = OneIn(random_, 2) ? std::nullopt : std::optional<std::string>(Value());
  }
  std::optional<std::string> desired;
  if (!OneIn(random_, 3)) desired = Value();
  const bool swaps = expected == actual;
  ASSERT_THAT(txn_.CompareAndSwap(keyspace.handle, key, expected, desired), IsOkAndHolds(swaps));
  if (!swaps) return;
  if (desired.has_value()) {
    keyspace.Put(key, *desired);
  } else {
    keyspace.entries.erase(Bytes(key));
  }
}

void Writing::Reserve(ModelKeyspace& keyspace) {
  const std::string& key = pool_.Pick(random_);
  const std::string value = Value();
  Note(absl::StrCat("reserve ", value.size(), " bytes"), keyspace, key);
  const absl::StatusOr<absl::Span<char>> span = txn_.Reserve(keyspace.handle, key, value.size());
  ESPALIER_ASSERT_OK(span);
  ASSERT_EQ(span->size(), value.size());
  if (!value.empty()) std::memcpy(span->data(), value.data(), value.size());
  keyspace.Put(key, value);
}

void Writing::Append(ModelKeyspace& keyspace) {
  std::string key = pool_.Pick(random_);
  // Most keys are not at the end: then one behind the last is made, where there is room for one.
  if (!keyspace.entries.empty() && !OneIn(random_, 4)) {
    const std::string& last = keyspace.entries.rbegin()->first.str();
    if (key <= last) {
      key = last;
      key.back() = static_cast<char>(key.back() + 1);
    }
  }
  const std::string value = Value();
  Note("append", keyspace, key);
  const bool at_end = keyspace.entries.empty() || keyspace.entries.rbegin()->first.str() < key;
  const absl::Status status = txn_.Append(keyspace.handle, key, value);
  if (!at_end) {
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    return;
  }
  ESPALIER_ASSERT_OK(status);
  keyspace.Put(key, value);
}

void Writing::Delete(ModelKeyspace& keyspace) {
  std::string key = pool_.PickNear(random_);
  // Most of the time one that is there.
  const auto present = keyspace.entries.lower_bound(std::string_view(key));
  if (present != keyspace.entries.end() && !OneIn(random_, 4)) key = present->first.str();
  Note("delete", keyspace, key);
  const bool exists = keyspace.entries.erase(Bytes(key)) > 0;
  ASSERT_THAT(txn_.Delete(keyspace.handle, key), IsOkAndHolds(exists));
}

void Writing::DeleteRange(ModelKeyspace& keyspace) {
  const KeyRange range = RandomRange(pool_, random_);
  Note("delete range", keyspace, range.begin);
  const auto [begin, end] = keyspace.Range(range);
  ASSERT_THAT(txn_.DeleteRange(keyspace.handle, range),
              IsOkAndHolds(static_cast<uint64_t>(std::distance(begin, end))));
  keyspace.entries.erase(begin, end);
}

void Writing::OpenTrackedCursor(ModelKeyspace& keyspace) {
  if (cursors_.size() >= 4) cursors_.erase(cursors_.begin());
  ESPALIER_ASSERT_OK_AND_ASSIGN(WriteCursor cursor, txn_.OpenWriteCursor(keyspace.handle));
  const std::string key = pool_.PickNear(random_);
  Note("open cursor", keyspace, key);
  const auto at = keyspace.entries.lower_bound(std::string_view(key));
  ExpectAt(cursor, cursor.SeekLowerBound(key), keyspace.entries, at);
  std::optional<std::string> position;
  if (at != keyspace.entries.end()) position = at->first.str();
  cursors_.push_back({std::move(cursor), keyspace.handle.id(), std::move(position)});
}

void Writing::MoveTrackedCursor() {
  if (cursors_.empty()) return;
  TrackedCursor& tracked = cursors_[Below(random_, cursors_.size())];
  WriteCursor& cursor = tracked.cursor;
  ModelKeyspace& keyspace = model_.at(tracked.keyspace);
  Entries& entries = keyspace.entries;
  if (!tracked.key.has_value()) {
    Note("cursor that stands nowhere", keyspace);
    EXPECT_FALSE(cursor.Next());
    EXPECT_FALSE(cursor.Prev());
    EXPECT_THAT(cursor.Put("value"), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(cursor.Delete(), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_TRUE(cursor.First() == !entries.empty());
    if (!entries.empty()) tracked.key = entries.begin()->first.str();
    return;
  }
  const std::string key = *tracked.key;
  const auto here = entries.find(std::string_view(key));
  const auto follow = [&](bool found, Entries::const_iterator at) {
    ExpectAt(cursor, found, entries, at);
    tracked.key.reset();
    if (at != entries.end()) tracked.key = at->first.str();
  };
  switch (Below(random_, 5)) {
    case 0:
    case 1:
      Note("cursor next", keyspace, key);
      return follow(cursor.Next(), entries.upper_bound(std::string_view(key)));
    case 2: {
      Note("cursor prev", keyspace, key);
      const auto at = entries.lower_bound(std::string_view(key));
      return follow(cursor.Prev(), at == entries.begin() ? entries.end() : std::prev(at));
    }
    case 3: {
      Note("cursor put", keyspace, key);
      const std::string value = Value();
      const absl::Status status = cursor.Put(value);
      if (here == entries.end()) {
        ASSERT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
        return;
      }
      ESPALIER_ASSERT_OK(status);
      here->second = Bytes(value);
      return follow(true, here);
    }
    default: {
      Note("cursor delete", keyspace, key);
      const absl::Status status = cursor.Delete();
      if (here == entries.end()) {
        ASSERT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
        return;
      }
      ESPALIER_ASSERT_OK(status);
      const auto next = entries.erase(here);
      return follow(next != entries.end(), next);
    }
  }
}

void Writing::ChangeKeyspaces() {
  if (model_.size() < 2 || (model_.size() < 6 && OneIn(random_, 2))) return CreateKeyspace();
  ModelKeyspace& keyspace = AnyKeyspace();
  if (keyspace.name.empty()) {
    Note("drop or rename", keyspace);
    EXPECT_THAT(txn_.DropKeyspace(keyspace.handle), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(txn_.RenameKeyspace(keyspace.handle, "other"),
                StatusIs(absl::StatusCode::kInvalidArgument));
    return;
  }
  return OneIn(random_, 2) ? DropKeyspace(keyspace) : RenameKeyspace(keyspace);
}

void Writing::CreateKeyspace() {
  ModelKeyspace keyspace;
  keyspace.name = absl::StrCat("keyspace", Below(random_, 20));
  if (OneIn(random_, 8)) keyspace.name.resize(500, 'x');
  constexpr uint32_t kThresholds[] = {0, 1, 100, 3000};
  keyspace.options.compress_values_from_bytes = kThresholds[Below(random_, 4)];
  Note("create", keyspace);
  const bool exists = std::any_of(model_.begin(), model_.end(), [&](const auto& other) {
    return other.second.name == keyspace.name;
  });
  const absl::StatusOr<Keyspace> created = txn_.CreateKeyspace(keyspace.name, keyspace.options);
  if (exists) {
    ASSERT_THAT(created, StatusIs(absl::StatusCode::kAlreadyExists));
    return;
  }
  ESPALIER_ASSERT_OK(created);
  keyspace.handle = *created;
  ASSERT_FALSE(model_.contains(created->id()));
  model_.emplace(created->id(), std::move(keyspace));
}

void Writing::DropKeyspace(ModelKeyspace& keyspace) {
  Note("drop", keyspace);
  const Keyspace handle = keyspace.handle;
  const std::string name = keyspace.name;
  ESPALIER_ASSERT_OK(txn_.DropKeyspace(handle));
  model_.erase(handle.id());
  EXPECT_THAT(txn_.Get(handle, "key"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(txn_.Put(handle, "key", "value"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(txn_.OpenKeyspace(name), StatusIs(absl::StatusCode::kNotFound));
  for (TrackedCursor& tracked : cursors_) {
    if (tracked.keyspace != handle.id()) continue;
    EXPECT_FALSE(tracked.cursor.First());
    EXPECT_THAT(tracked.cursor.status(), StatusIs(absl::StatusCode::kNotFound));
  }
  std::erase_if(cursors_,
                [&](const TrackedCursor& tracked) { return tracked.keyspace == handle.id(); });
}

void Writing::RenameKeyspace(ModelKeyspace& keyspace) {
  const std::string name = absl::StrCat("keyspace", Below(random_, 20));
  Note(absl::StrCat("rename to ", name), keyspace);
  const bool taken = std::any_of(model_.begin(), model_.end(), [&](const auto& other) {
    return other.second.name == name && &other.second != &keyspace;
  });
  const absl::Status status = txn_.RenameKeyspace(keyspace.handle, name);
  if (taken) {
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kAlreadyExists));
    return;
  }
  ESPALIER_ASSERT_OK(status);
  keyspace.name = name;
}

}  // namespace espalier::testing
