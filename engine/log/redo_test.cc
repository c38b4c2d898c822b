#include "engine/log/redo.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/seed_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::log {
namespace {

using Bytes = std::vector<uint8_t>;
using Random = std::mt19937_64;

// RedoReader::Operation with strings of its own.
struct Operation {
  RedoKind kind;
  uint64_t keyspace = 0;
  std::string key;
  std::string value;
  uint32_t compress_from = 0;

  friend bool operator==(const Operation&, const Operation&) = default;
};

struct Replay {
  std::vector<Operation> operations;
  bool malformed;
};

Replay ReadAll(std::span<const uint8_t> payload) {
  RedoReader reader(payload);
  Replay replay;
  while (const auto next = reader.Next()) {
    replay.operations.push_back({next->kind, next->keyspace, std::string(next->key),
                                 std::string(next->value), next->compress_from});
  }
  replay.malformed = reader.malformed();
  // The end stays the end.
  EXPECT_FALSE(reader.Next().has_value());
  EXPECT_EQ(reader.malformed(), replay.malformed);
  return replay;
}

void Store(const Operation& operation, RedoBuffer& buffer) {
  const auto& [kind, keyspace, key, value, compress_from] = operation;
  switch (kind) {
    case RedoKind::kPut:
      return buffer.Put(keyspace, key, value);
    case RedoKind::kPutLarge:
      return buffer.PutLarge(keyspace, key,
                             {reinterpret_cast<const uint8_t*>(value.data()), value.size()});
    case RedoKind::kDelete:
      return buffer.Delete(keyspace, key);
    case RedoKind::kDeleteRange:
      return buffer.DeleteRange(keyspace, key, value);
    case RedoKind::kDeleteFrom:
      return buffer.DeleteRange(keyspace, key, std::nullopt);
    case RedoKind::kCreate:
      return buffer.Create(keyspace, compress_from, key);
    case RedoKind::kDrop:
      return buffer.Drop(keyspace);
    case RedoKind::kRename:
      return buffer.Rename(keyspace, key);
    case RedoKind::kAppendLeaves:
    case RedoKind::kInKeyspace:
      FAIL() << "not made of strings";
  }
}

std::span<const uint8_t> PayloadOf(RedoBuffer& buffer) {
  return buffer.record().subspan(sizeof(RecordHeader));
}

// As many bits as any other number: lengths of varints are what can go wrong.
uint64_t RandomNumber(Random& random) { return random() >> random() % 64; }

std::string RandomString(Random& random, size_t size_bytes) {
  std::string string(size_bytes, '\0');
  for (char& c : string) c = static_cast<char>(random());
  return string;
}

Operation RandomOperation(Random& random) {
  constexpr RedoKind kKinds[] = {RedoKind::kPut,         RedoKind::kPutLarge,   RedoKind::kDelete,
                                 RedoKind::kDeleteRange, RedoKind::kDeleteFrom, RedoKind::kCreate,
                                 RedoKind::kDrop,        RedoKind::kRename};
  Operation operation{.kind = kKinds[random() % std::size(kKinds)], .key = {}, .value = {}};
  operation.keyspace = random() % 2 == 0 ? random() % 3 : RandomNumber(random);
  const auto size_bytes = [&] { return random() % (random() % 8 == 0 ? 20000 : 20); };
  if (operation.kind != RedoKind::kDrop) operation.key = RandomString(random, size_bytes());
  if (operation.kind == RedoKind::kPut || operation.kind == RedoKind::kDeleteRange) {
    operation.value = RandomString(random, size_bytes());
  }
  if (operation.kind == RedoKind::kPutLarge) {
    operation.value = RandomString(random, kLargeRefBytes);
  }
  if (operation.kind == RedoKind::kCreate) {
    operation.compress_from = static_cast<uint32_t>(RandomNumber(random));
  }
  return operation;
}

TEST(RedoTest, LeavesByteByByte) {
  RedoBuffer buffer;
  const std::vector<PageRun> runs = {{300, 2}, {7, 1}};
  buffer.AppendLeaves(5, runs, 0x0102030405060708);
  buffer.Delete(5, "k");
  const Bytes expected = {6, 5, 10, 5, 0xac, 2, 2, 7, 1, 8, 7, 6, 5, 4, 3, 2, 1, 3, 1, 'k'};
  const std::span<const uint8_t> payload = PayloadOf(buffer);
  EXPECT_EQ(Bytes(payload.begin(), payload.end()), expected);
  RedoReader reader(payload);
  const auto leaves = reader.Next();
  ASSERT_TRUE(leaves.has_value());
  EXPECT_EQ(leaves->kind, RedoKind::kAppendLeaves);
  EXPECT_EQ(leaves->keyspace, 5u);
  EXPECT_EQ(DecodeLeafRuns(leaves->key), runs);
  EXPECT_EQ(leaves->value, "\x08\x07\x06\x05\x04\x03\x02\x01");
  ASSERT_TRUE(reader.Next().has_value());
  EXPECT_FALSE(reader.Next().has_value());
  EXPECT_FALSE(reader.malformed());
}

TEST(RedoTest, RunsOfLeavesThatAreNone) {
  EXPECT_EQ(DecodeLeafRuns(""), std::vector<PageRun>());
  EXPECT_FALSE(DecodeLeafRuns("\x05").has_value());
  EXPECT_FALSE(DecodeLeafRuns(std::string("\x05\x80", 2)).has_value());
  EXPECT_FALSE(DecodeLeafRuns(std::string(11, '\xff')).has_value());
  const std::vector<PageRun> highest = {{UINT64_MAX, UINT64_MAX}};
  RedoBuffer buffer;
  buffer.AppendLeaves(0, highest, 0);
  RedoReader reader(PayloadOf(buffer));
  EXPECT_EQ(DecodeLeafRuns(reader.Next()->key), highest);
}

TEST(RedoTest, ByteByByte) {
  RedoBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  const Bytes reference(kLargeRefBytes, 0xee);
  buffer.Put(0, "k", "vw");
  buffer.PutLarge(300, "L", reference);
  buffer.Delete(300, "");
  buffer.DeleteRange(300, "", "e");
  buffer.DeleteRange(300, "b", std::nullopt);
  buffer.Create(7, 128, "name");
  buffer.Rename(300, "n");
  buffer.Drop(0);
  EXPECT_FALSE(buffer.empty());
  Bytes expected;
  const auto expect = [&](std::initializer_list<int> bytes) {
    for (const int byte : bytes) expected.push_back(static_cast<uint8_t>(byte));
  };
  expect({1, 1, 'k', 2, 'v', 'w'});
  expect({6, 0xac, 2});
  expect({2, 1, 'L'});
  for (const uint8_t byte : reference) expect({byte});
  expect({3, 0});
  expect({4, 0, 1, 'e'});
  expect({5, 1, 'b'});
  expect({7, 7, 0x80, 1, 4, 'n', 'a', 'm', 'e'});
  expect({9, 1, 'n'});
  expect({6, 0, 8});
  const auto payload = PayloadOf(buffer);
  EXPECT_EQ(Bytes(payload.begin(), payload.end()), expected);
  EXPECT_EQ(buffer.payload_bytes(), expected.size());
}

TEST(RedoTest, RandomOperationsComeBack) {
  Random random(TestSeed());
  RedoBuffer buffer;
  for (int round = 0; round < 300; ++round) {
    std::vector<Operation> operations(random() % 30);
    for (Operation& operation : operations) {
      operation = RandomOperation(random);
      Store(operation, buffer);
    }
    EXPECT_EQ(buffer.empty(), operations.empty());
    const Replay replay = ReadAll(PayloadOf(buffer));
    EXPECT_FALSE(replay.malformed);
    ASSERT_EQ(replay.operations, operations) << "round " << round;
    // Nothing of it is left over, the keyspace least of all.
    buffer.Clear();
    EXPECT_TRUE(buffer.empty());
  }
}

// A copy without a byte to spare, so that ASan sees who reads on.
Replay ReadCopy(std::span<const uint8_t> payload) {
  const Bytes copy(payload.begin(), payload.end());
  return ReadAll(copy);
}

TEST(RedoTest, EveryPrefixGivesAPrefixOfTheOperations) {
  Random random(TestSeed(2));
  RedoBuffer buffer;
  std::vector<Operation> operations;
  std::vector<size_t> ends = {0};  // of the payload after each operation
  while (buffer.payload_bytes() < 3000) {
    operations.push_back(RandomOperation(random));
    Store(operations.back(), buffer);
    ends.push_back(buffer.payload_bytes());
  }
  const auto payload = PayloadOf(buffer);
  size_t whole = 0;
  for (size_t length = 0; length <= payload.size(); ++length) {
    if (whole < operations.size() && length == ends[whole + 1]) ++whole;
    const Replay replay = ReadCopy(payload.first(length));
    ASSERT_EQ(replay.operations.size(), whole) << length;
    if (length == ends[whole]) {
      EXPECT_FALSE(replay.malformed) << length;
      EXPECT_TRUE(
          std::equal(replay.operations.begin(), replay.operations.end(), operations.begin()));
    }
  }
}

TEST(RedoTest, AnyBytesAreSafe) {
  Random random(TestSeed(3));
  RedoBuffer buffer;
  for (int i = 0; i < 20; ++i) Store(RandomOperation(random), buffer);
  const auto payload = PayloadOf(buffer);
  for (int round = 0; round < 3000; ++round) {
    Bytes mutated(payload.begin(), payload.end());
    // The beginning, where the lengths are that lead astray, as often as all the rest.
    const size_t range = random() % 2 == 0 ? std::min<size_t>(mutated.size(), 64) : mutated.size();
    for (uint64_t left = 1 + random() % 4; left > 0; --left) {
      mutated[random() % range] = static_cast<uint8_t>(random() % 4 == 0 ? 0xff : random());
    }
    ReadCopy(mutated);
    Bytes noise(random() % 100);
    for (uint8_t& byte : noise)
      byte = static_cast<uint8_t>(random() % 2 ? random() : random() % 10);
    ReadCopy(noise);
  }
}

TEST(RedoTest, WhatIsNoOperation) {
  for (const Bytes& payload : {
           Bytes{0},                                                              // kinds
           Bytes{10},                                                             //
           Bytes{255},                                                            //
           Bytes{3},                                                              // no argument
           Bytes{3, 2, 'k'},                                                      // too short
           Bytes{3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},     // 2^64 - 1 long
           Bytes{3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80},  // without end
           Bytes{6, 0x80},                                                        //
           Bytes{7, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0},                          // 2^32
       }) {
    const Replay replay = ReadCopy(payload);
    EXPECT_TRUE(replay.malformed) << ::testing::PrintToString(payload);
    EXPECT_TRUE(replay.operations.empty());
  }
}

TEST(RedoTest, ExtremeNumbersComeBack) {
  RedoBuffer buffer;
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  const std::vector<Operation> operations = {
      {RedoKind::kPut, kMost, "k", "v"},
      {RedoKind::kCreate, kMost - 1, "n", "", std::numeric_limits<uint32_t>::max()},
      {RedoKind::kDrop, kMost, "", ""},
  };
  for (const Operation& operation : operations) Store(operation, buffer);
  EXPECT_EQ(ReadAll(PayloadOf(buffer)).operations, operations);
}

}  // namespace
}  // namespace espalier::log
