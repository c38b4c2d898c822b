#include "engine/page/arena.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace espalier::page {
namespace {

TEST(ArenaTest, GivesDistinctMemoryAndReusesIt) {
  Arena arena;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::pair<char*, size_t>> pieces;
    for (size_t i = 0; i < 3000; ++i) {
      const size_t size = i % 100 == 0 ? 100000 : i % 300;
      char* const piece = arena.Allocate(size);
      std::memset(piece, static_cast<int>(i % 251), size);
      pieces.emplace_back(piece, size);
    }
    for (size_t i = 0; i < pieces.size(); ++i) {
      const auto& [piece, size] = pieces[i];
      EXPECT_TRUE(std::all_of(piece, piece + size,
                              [&](char byte) { return byte == static_cast<char>(i % 251); }));
    }
    EXPECT_EQ(arena.Copy("text"), "text");
    EXPECT_EQ(arena.Copy(""), "");
    arena.Reset();
  }
}

}  // namespace
}  // namespace espalier::page
