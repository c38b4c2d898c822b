#include "tools/cli/chunked_writer.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

class ChunkedWriterTest : public testing::Test {
 protected:
  ChunkedWriterTest() : db_(*Database::OpenInMemory()) {}

  std::string Value(const std::string& key) {
    return db_.Get(db_.default_keyspace(), key).value_or("(absent)");
  }

  Database db_;
};

std::string Key(int i) { return "key " + std::to_string(100'000 + i); }

TEST_F(ChunkedWriterTest, SortedAndUnsortedInputAllArrives) {
  ChunkedWriter writer(db_, {.chunk_entries = 7});
  ASSERT_TRUE(writer.SelectKeyspace("", {}).ok());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(writer.Put(Key(i), "sorted").ok());
  for (int i = 60; i > 40; --i) ASSERT_TRUE(writer.Put(Key(i), "unsorted").ok());
  ASSERT_TRUE(writer.Commit().ok());
  EXPECT_EQ(writer.committed(), 70u);
  EXPECT_EQ(*db_.Count(db_.default_keyspace()), 61u);
  EXPECT_EQ(Value(Key(40)), "sorted");
  EXPECT_EQ(Value(Key(41)), "unsorted");
}

TEST_F(ChunkedWriterTest, ChunksAreCommittedAsTheyFill) {
  ChunkedWriter by_entries(db_, {.chunk_entries = 2});
  ASSERT_TRUE(by_entries.SelectKeyspace("", {}).ok());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(by_entries.Put(Key(i), "").ok());
  EXPECT_EQ(by_entries.committed(), 4u);
  ASSERT_TRUE(by_entries.Commit().ok());

  ChunkedWriter by_bytes(db_, {.chunk_bytes = 1'000});
  ASSERT_TRUE(by_bytes.SelectKeyspace("bytes", {}).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(by_bytes.Put(Key(i), std::string(500, 'x')).ok());
  EXPECT_EQ(by_bytes.committed(), 2u);
}

TEST_F(ChunkedWriterTest, AnErrorLosesItsChunkOnly) {
  {
    ChunkedWriter writer(db_, {.append_only = true, .chunk_entries = 2});
    ASSERT_TRUE(writer.SelectKeyspace("", {}).ok());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer.Put(Key(i), "").ok());
    EXPECT_TRUE(absl::IsInvalidArgument(writer.Put(Key(1), "")));
    EXPECT_EQ(writer.committed(), 2u);
  }
  EXPECT_EQ(*db_.Count(db_.default_keyspace()), 2u);
}

TEST_F(ChunkedWriterTest, WithoutOverwritingWhatExistsIsSkipped) {
  ASSERT_TRUE(db_.Put(db_.default_keyspace(), Key(2), "old").ok());
  ChunkedWriter writer(db_, {.overwrite = false});
  ASSERT_TRUE(writer.SelectKeyspace("", {}).ok());
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(writer.Put(Key(i), "new").ok());
  ASSERT_TRUE(writer.Commit().ok());
  EXPECT_EQ(writer.committed(), 3u);
  EXPECT_EQ(writer.skipped(), 1u);
  EXPECT_EQ(Value(Key(2)), "old");
  EXPECT_EQ(Value(Key(3)), "new");
}

TEST_F(ChunkedWriterTest, KeyspacesAreFilledSideBySide) {
  ChunkedWriter writer(db_, {});
  for (const char* name : {"", "b", "a"}) {
    ASSERT_TRUE(writer.SelectKeyspace(name, {}).ok());
    ASSERT_TRUE(writer.Put("key", name).ok());
  }
  ASSERT_TRUE(writer.Commit().ok());
  EXPECT_EQ(Value("key"), "");
  EXPECT_EQ(*db_.Get(*db_.OpenKeyspace("a"), "key"), "a");
  EXPECT_EQ(*db_.Get(*db_.OpenKeyspace("b"), "key"), "b");
}

TEST_F(ChunkedWriterTest, KeysThatCannotBeAreRefused) {
  ChunkedWriter writer(db_, {});
  ASSERT_TRUE(writer.SelectKeyspace("", {}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(writer.Put("", "value")));
  EXPECT_TRUE(
      absl::IsInvalidArgument(writer.Put(std::string(db_.MaxKeyBytes() + 1, 'k'), "value")));
  EXPECT_TRUE(writer.Put(std::string(db_.MaxKeyBytes(), 'k'), "value").ok());
}

}  // namespace
}  // namespace espalier::tools
