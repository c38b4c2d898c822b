#include "tools/quick_bench/quick_bench.h"

#include <gtest/gtest.h>

namespace espalier::tools {
namespace {

bool GoOn(const std::string&, uint64_t, uint64_t) { return true; }

TEST(QuickBenchTest, EveryRowRunsAndCountsItsOperations) {
  Database db = *Database::OpenInMemory();
  const auto rows = RunQuickBench(db, {.entries = 1'234, .value_bytes = 10}, GoOn);
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::vector<uint64_t> operations;
  for (const BenchRow& row : *rows) operations.push_back(row.operations);
  EXPECT_EQ(operations, (std::vector<uint64_t>{1'234, 1'234, 1, 1'234, 1'234, 1'234, 123}));
  EXPECT_EQ(*db.Count(db.default_keyspace()), 1'234u);
}

TEST(QuickBenchTest, SmallestSizesWork) {
  Database db = *Database::OpenInMemory();
  EXPECT_TRUE(RunQuickBench(db, {.entries = 1, .value_bytes = 0}, GoOn).ok());
}

TEST(QuickBenchTest, MayBeInterruptedAnywhere) {
  for (int steps = 0; steps < 20; ++steps) {
    Database db = *Database::OpenInMemory();
    int left = steps;
    const auto rows =
        RunQuickBench(db, {.entries = 1'000, .value_bytes = 10},
                      [&](const std::string&, uint64_t, uint64_t) { return left-- > 0; });
    EXPECT_TRUE(rows.ok() || absl::IsAborted(rows.status()));
    EXPECT_TRUE(db.Close().ok());
  }
}

}  // namespace
}  // namespace espalier::tools
