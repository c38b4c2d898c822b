#include "engine/txn/replay_batch.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::txn {
namespace {

using log::RedoBuffer;
using log::RedoKind;
using log::RedoReader;
using Operation = RedoReader::Operation;

struct Applied {
  RedoKind kind;
  uint64_t keyspace;
  std::string key;
  std::string value;
  bool operator==(const Applied&) const = default;
};

void AddAll(ReplayBatch& batch, RedoBuffer& redo) {
  RedoReader reader(batch.Hold(redo.record().subspan(sizeof(log::RecordHeader))));
  const uint8_t* begin = reader.position();
  while (const std::optional<Operation> operation = reader.Next()) {
    ASSERT_TRUE(ReplayBatch::IsOfOneKey(operation->kind));
    batch.Add(begin, *operation);
    begin = reader.position();
  }
  redo.Clear();
}

std::vector<Applied> ApplyAll(ReplayBatch& batch) {
  std::vector<Applied> applied;
  EXPECT_THAT(batch.Apply([&](absl::Span<const Operation> operations) {
    EXPECT_LE(operations.size(), ReplayBatch::kTogether);
    for (const Operation& operation : operations) {
      applied.push_back({operation.kind, operation.keyspace, std::string(operation.key),
                         std::string(operation.value)});
    }
    return absl::OkStatus();
  }),
              IsOk());
  return applied;
}

TEST(ReplayBatchTest, LastChangesInTheOrderOfKeyspacesAndKeys) {
  ReplayBatch batch(1 << 16);
  RedoBuffer redo;
  redo.Put(7, "b", "1");
  redo.Put(0, "key 2", "2");
  redo.Delete(7, "a");
  redo.Put(0, "key 1", "3");
  AddAll(batch, redo);
  redo.Put(0, "key 2", "4");
  redo.Delete(7, "b");
  AddAll(batch, redo);
  EXPECT_EQ(ApplyAll(batch), (std::vector<Applied>{
                                 {RedoKind::kPut, 0, "key 1", "3"},
                                 {RedoKind::kPut, 0, "key 2", "4"},
                                 {RedoKind::kDelete, 7, "a", ""},
                                 {RedoKind::kDelete, 7, "b", ""},
                             }));
  EXPECT_EQ(batch.size(), 0u);
  // What comes next may still refer to what is held.
  redo.Put(0, "a", "5");
  AddAll(batch, redo);
  EXPECT_EQ(ApplyAll(batch), (std::vector<Applied>{{RedoKind::kPut, 0, "a", "5"}}));
}

// The pages of an outdated one are withheld until its operation is replayed.
TEST(ReplayBatchTest, LargeValuesAreNeverLeftOut) {
  ReplayBatch batch(1 << 16);
  RedoBuffer redo;
  const std::array<uint8_t, log::kLargeRefBytes> reference{};
  redo.Put(0, "key", "1");
  redo.PutLarge(0, "key", reference);
  redo.Put(0, "key", "2");
  redo.Delete(0, "key");
  AddAll(batch, redo);
  EXPECT_EQ(ApplyAll(batch),
            (std::vector<Applied>{
                {RedoKind::kPutLarge, 0, "key", std::string(reference.size(), '\0')},
                {RedoKind::kDelete, 0, "key", ""},
            }));
}

TEST(ReplayBatchTest, AnErrorEndsIt) {
  ReplayBatch batch(1 << 16);
  RedoBuffer redo;
  for (int i = 0; i < 100; ++i) redo.Delete(0, absl::StrCat("key", i));
  AddAll(batch, redo);
  int calls = 0;
  EXPECT_THAT(batch.Apply([&](absl::Span<const Operation>) {
    return ++calls == 2 ? absl::CancelledError("") : absl::OkStatus();
  }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(batch.size(), 0u);
}

TEST(ReplayBatchTest, RoomIsForPayloadsOrOneThatIsLarger) {
  ReplayBatch batch(100);
  EXPECT_TRUE(batch.HasRoom(100));
  EXPECT_FALSE(batch.HasRoom(101));
  RedoBuffer redo;
  const std::string value(1000, 'v');
  for (const char* const key : {"b", "a"}) redo.Put(0, key, value);
  AddAll(batch, redo);
  EXPECT_FALSE(batch.HasRoom(1));
  EXPECT_EQ(ApplyAll(batch), (std::vector<Applied>{{RedoKind::kPut, 0, "a", value},
                                                   {RedoKind::kPut, 0, "b", value}}));
  batch.Clear();
  EXPECT_TRUE(batch.HasRoom(100));
}

// Keys of few letters, among them zeros: many share what is compared as numbers, or are a prefix
// of another.
TEST(ReplayBatchTest, AgreesWithAMap) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 200; ++round) {
    ReplayBatch batch(1 << 20);
    RedoBuffer redo;
    std::map<std::pair<uint64_t, std::string>, Applied> expected;
    const std::string prefix(random() % 12, 'p');
    for (uint64_t i = 0, count = random() % 400; i < count; ++i) {
      std::string key = prefix;
      for (uint64_t left = random() % 22; left > 0; --left) {
        key.push_back(static_cast<char>(random() % 2));
      }
      const uint64_t keyspace = random() % 3;
      const bool put = random() % 3 > 0;
      const std::string value = put ? std::to_string(i) : "";
      put ? redo.Put(keyspace, key, value) : redo.Delete(keyspace, key);
      expected[{keyspace, key}] = {put ? RedoKind::kPut : RedoKind::kDelete, keyspace, key, value};
      if (random() % 20 == 0) AddAll(batch, redo);
    }
    AddAll(batch, redo);
    std::vector<Applied> in_order;
    for (const auto& [place, change] : expected) in_order.push_back(change);
    EXPECT_EQ(ApplyAll(batch), in_order);
  }
}

}  // namespace
}  // namespace espalier::txn
