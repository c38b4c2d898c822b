#include "engine/txn/reader_table.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace espalier::txn {
namespace {

ReaderTable::Scan ScanOf(const ReaderTable& table) {
  ReaderTable::Scan scan;
  table.ScanInto(scan);
  return scan;
}

TEST(ReaderTableTest, VersionsAreSortedAndDistinct) {
  ReaderTable table;
  EXPECT_FALSE(table.HasReaders());
  std::vector<ReaderSlot*> slots;
  for (const uint64_t version : {7, 3, 7, 5}) {
    slots.push_back(table.Acquire());
    table.Publish(slots.back(), Version(version));
    EXPECT_EQ(slots.back()->version(), Version(version));
  }
  EXPECT_EQ(ScanOf(table).versions, (std::vector<Version>{Version(3), Version(5), Version(7)}));
  EXPECT_FALSE(ScanOf(table).undecided);
  const std::vector<ReaderTable::Reader> readers = table.Readers();
  ASSERT_EQ(readers.size(), 4u);
  EXPECT_EQ(readers.front().version, Version(3));
  EXPECT_GE(readers.front().age_ms, 0);
  EXPECT_LT(readers.front().age_ms, 10000);
  for (ReaderSlot* slot : slots) table.Release(slot);
  EXPECT_TRUE(ScanOf(table).versions.empty());
  EXPECT_FALSE(table.HasReaders());
}

TEST(ReaderTableTest, AReaderThatHasNotDecidedIsSeen) {
  ReaderTable table;
  ReaderSlot* const slot = table.Acquire();
  EXPECT_TRUE(ScanOf(table).undecided);
  EXPECT_TRUE(table.HasReaders());
  EXPECT_TRUE(table.Readers().empty());
  table.Publish(slot, Version(1));
  EXPECT_FALSE(ScanOf(table).undecided);
  table.Release(slot);
}

TEST(ReaderTableTest, BetweenBeginReleaseAndReleaseNothingIsPinned) {
  ReaderTable table;
  ReaderSlot* const slot = table.Acquire();
  table.Publish(slot, Version(1));
  table.BeginRelease(slot);
  EXPECT_TRUE(ScanOf(table).versions.empty());
  EXPECT_FALSE(ScanOf(table).undecided);
  EXPECT_TRUE(table.Readers().empty());
  // HasReaders() waits it out.
  std::thread releasing([&] { table.Release(slot); });
  EXPECT_FALSE(table.HasReaders());
  releasing.join();
}

TEST(ReaderTableTest, GrowsBeyondItsFirstBlocks) {
  ReaderTable table;
  std::set<ReaderSlot*> slots;
  for (uint64_t i = 1; i <= 1000; ++i) {
    ReaderSlot* const slot = table.Acquire();
    EXPECT_TRUE(slots.insert(slot).second);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(slot) % 64, 0u);
    table.Publish(slot, Version(i));
  }
  EXPECT_EQ(ScanOf(table).versions.size(), 1000u);
  EXPECT_EQ(table.Readers().size(), 1000u);
  for (ReaderSlot* slot : slots) table.Release(slot);
  EXPECT_FALSE(table.HasReaders());
  // What was given back is used again before the table grows.
  for (int i = 0; i < 1000; ++i) {
    ReaderSlot* const slot = table.Acquire();
    EXPECT_TRUE(slots.contains(slot));
    table.Publish(slot, Version(1));
  }
}

// INV-10: once a reader has published a version, the writer that published a later one sees it. The
// writer "frees" what nobody reads, and the reader must never find its version freed.
TEST(ReaderTableTest, NoReaderIsMissed) {
  constexpr uint64_t kVersions = 3000;
  constexpr int kReaders = 3;
  ReaderTable table;
  std::vector<std::atomic<bool>> freed(kVersions + 1);
  std::atomic<uint64_t> newest{1};
  std::atomic<int> faults{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      while (newest.load() < kVersions) {
        ReaderSlot* const slot = table.Acquire();
        const uint64_t version = newest.load(std::memory_order_seq_cst);
        table.Publish(slot, Version(version));
        for (int look = 0; look < 20; ++look) {
          if (freed[version].load(std::memory_order_relaxed)) faults.fetch_add(1);
        }
        table.BeginRelease(slot);
        table.Release(slot);
      }
    });
  }
  ReaderTable::Scan scan;
  std::set<uint64_t> kept;
  for (uint64_t version = 2; version <= kVersions; ++version) {
    kept.insert(version - 1);
    newest.store(version, std::memory_order_seq_cst);
    table.ScanInto(scan);
    if (scan.undecided) continue;
    for (auto old = kept.begin(); old != kept.end();) {
      if (std::binary_search(scan.versions.begin(), scan.versions.end(), Version(*old))) {
        ++old;
      } else {
        freed[*old].store(true, std::memory_order_relaxed);
        old = kept.erase(old);
      }
    }
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(faults.load(), 0);
}

}  // namespace
}  // namespace espalier::txn
