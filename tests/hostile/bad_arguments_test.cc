// Keys and names that no caller should pass: a status, and the transaction goes on. (Handles that
// are gone: tests/misuse.)

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using Code = absl::StatusCode;

class BadArgumentsTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  BadArgumentsTest() {
    Options options;
    options.page_size_bytes = GetParam();
    db_.emplace(Database::OpenInMemory(options).value());
  }

  // Every call that takes a key, with this one.
  void ExpectEachCall(std::string_view key, Code code) {
    const Keyspace keyspace = db_->default_keyspace();
    const ReadTransaction reader = db_->BeginRead().value();
    EXPECT_THAT(reader.Get(keyspace, key), StatusIs(code));
    EXPECT_THAT(reader.GetPart(keyspace, key, 0, 1), StatusIs(code));
    EXPECT_THAT(reader.Contains(keyspace, key), StatusIs(code));
    const std::vector<std::string_view> keys = {"ok", key};
    std::vector<std::optional<std::string_view>> values(2);
    EXPECT_THAT(reader.MultiGet(keyspace, keys, absl::MakeSpan(values)), StatusIs(code));

    WriteTransaction writer = db_->BeginWrite().value();
    EXPECT_THAT(writer.Put(keyspace, "before", "1"), IsOk());
    EXPECT_THAT(writer.Put(keyspace, key, "x"), StatusIs(code));
    EXPECT_THAT(writer.PutIfAbsent(keyspace, key, "x"), StatusIs(code));
    EXPECT_THAT(writer.CompareAndSwap(keyspace, key, "a", "b"), StatusIs(code));
    EXPECT_THAT(writer.CompareAndSwap(keyspace, key, std::nullopt, std::nullopt), StatusIs(code));
    EXPECT_THAT(writer.Reserve(keyspace, key, 10), StatusIs(code));
    EXPECT_THAT(writer.Append(keyspace, key, "x"), StatusIs(code));
    EXPECT_THAT(writer.Delete(keyspace, key), StatusIs(code));
    // None of it spoilt the transaction.
    EXPECT_THAT(writer.Put(keyspace, "after", "2"), IsOk());
    EXPECT_THAT(writer.Commit(), IsOk());
    EXPECT_THAT(db_->Get(keyspace, "before"), IsOkAndHolds("1"));
    EXPECT_THAT(db_->Get(keyspace, "after"), IsOkAndHolds("2"));
  }

  std::optional<Database> db_;
};

TEST_P(BadArgumentsTest, EmptyKey) {
  ExpectEachCall("", Code::kInvalidArgument);
  ExpectEachCall(std::string_view(), Code::kInvalidArgument);
}

TEST_P(BadArgumentsTest, OversizedKey) {
  const size_t max = db_->MaxKeyBytes();
  EXPECT_GE(max, 1900u);
  for (const size_t size : {max + 1, size_t{GetParam()}, size_t{1} << 20}) {
    ExpectEachCall(std::string(size, 'k'), Code::kInvalidArgument);
  }
  // The longest that is allowed.
  const Keyspace keyspace = db_->default_keyspace();
  for (const char last : {'a', 'b', 'c'}) {
    const std::string key = std::string(max - 1, 'k') + last;
    EXPECT_THAT(db_->Put(keyspace, key, std::string(100000, last)), IsOk());
    EXPECT_THAT(db_->Get(keyspace, key), IsOkAndHolds(std::string(100000, last)));
  }
}

// Where a key only says where to look, anything goes; with the null pointer of an empty view, too.
TEST_P(BadArgumentsTest, PositionsNeedNoValidKey) {
  const Keyspace keyspace = db_->default_keyspace();
  // A leaf with a long common prefix, and several leaves.
  for (int entries : {0, 3, 2000}) {
    SCOPED_TRACE(entries);
    {
      WriteTransaction writer = db_->BeginWrite().value();
      for (int i = 0; i < entries; ++i) {
        ASSERT_THAT(writer.Put(keyspace, absl::StrCat("common prefix ", i), "v"), IsOk());
      }
      ASSERT_THAT(writer.Commit(), IsOk());
    }
    const ReadTransaction txn = db_->BeginRead().value();
    Cursor cursor = txn.OpenCursor(keyspace).value();
    for (const std::string_view nothing : {std::string_view(), std::string_view("")}) {
      EXPECT_EQ(cursor.SeekLowerBound(nothing), entries > 0);
      EXPECT_EQ(cursor.SeekUpperBound(nothing), entries > 0);
      EXPECT_EQ(cursor.SeekPrefix(nothing), entries > 0);
      EXPECT_FALSE(cursor.SeekExact(nothing));
      EXPECT_FALSE(cursor.SeekForPrev(nothing));
      EXPECT_THAT(cursor.status(), IsOk());
      EXPECT_THAT(txn.Rank(keyspace, nothing), IsOkAndHolds(0u));
    }
    const std::string longest(100000, 'z');
    EXPECT_FALSE(cursor.SeekLowerBound(longest));
    EXPECT_FALSE(cursor.SeekPrefix(longest));
    EXPECT_EQ(cursor.SeekForPrev(longest), entries > 0);
    EXPECT_THAT(txn.Rank(keyspace, longest), IsOkAndHolds(static_cast<uint64_t>(entries)));
    EXPECT_THAT(txn.Count(keyspace, KeyRange::Between(longest, "a")), IsOkAndHolds(0u));
    EXPECT_THAT(txn.Count(keyspace, KeyRange::Between("", longest)),
                IsOkAndHolds(static_cast<uint64_t>(entries)));
  }
  WriteTransaction writer = db_->BeginWrite().value();
  EXPECT_THAT(writer.DeleteRange(keyspace, KeyRange::Between("z", "a")), IsOkAndHolds(0u));
  EXPECT_THAT(writer.DeleteRange(keyspace, KeyRange::Between("", "")), IsOkAndHolds(0u));
  EXPECT_THAT(writer.DeleteRange(keyspace, KeyRange::From(std::string(100000, 'z'))),
              IsOkAndHolds(0u));
  EXPECT_THAT(writer.DeleteRange(keyspace, KeyRange::Between("", std::string(100000, 'z'))),
              IsOkAndHolds(2000u));
}

TEST_P(BadArgumentsTest, KeyspaceNames) {
  WriteTransaction writer = db_->BeginWrite().value();
  EXPECT_THAT(writer.CreateKeyspace(""), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(writer.CreateKeyspace(std::string(501, 'n')), StatusIs(Code::kInvalidArgument));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace longest,
                                writer.CreateKeyspace(std::string(500, 'n')));
  EXPECT_THAT(writer.CreateKeyspace(std::string(500, 'n')), StatusIs(Code::kAlreadyExists));
  EXPECT_THAT(writer.RenameKeyspace(longest, ""), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(writer.RenameKeyspace(longest, std::string(501, 'm')),
              StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(writer.RenameKeyspace(db_->default_keyspace(), "x"),
              StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(writer.DropKeyspace(db_->default_keyspace()), StatusIs(Code::kInvalidArgument));
  EXPECT_THAT(writer.OpenKeyspace(std::string(100000, 'n')), StatusIs(Code::kNotFound));
  EXPECT_THAT(writer.RenameKeyspace(longest, std::string("a\0b", 3)), IsOk());
  EXPECT_THAT(writer.OpenKeyspace(std::string("a\0b", 3)), IsOk());
  EXPECT_THAT(writer.Commit(), IsOk());
}

INSTANTIATE_TEST_SUITE_P(PageSizes, BadArgumentsTest,
                         ::testing::Values(4096u, 8192u, 16384u, 32768u, 65536u));

}  // namespace
}  // namespace espalier
