// Salvage delivers every valid leaf, whatever else of the file is damaged.

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"
#include "tests/internal/hostile/mutator.h"

namespace espalier {
namespace {

using testing::Bytes;
using testing::Contents;
using testing::MakeSample;
using testing::MemoryFile;
using testing::Mutator;
using testing::Sample;

constexpr uint64_t kPageBytes = 4096;

// Where a key's entry lies: its leaf, and the pages of its value.
struct Place {
  uint64_t leaf;
  uint64_t first_page = 0;
  uint64_t pages = 0;
};

using Entries = std::set<std::pair<std::string, std::string>>;

class SalvageTest : public ::testing::Test {
 protected:
  // Every entry of every leaf by its key: keys are unique across the sample's keyspaces.
  std::multimap<std::string, Place> FindPlaces() const {
    std::multimap<std::string, Place> places;
    for (const uint64_t number : mutator_.nodes()) {
      const uint8_t* const page = sample_.image.data() + number * kPageBytes;
      if (page::HeaderOf(page).kind() != page::Kind::kLeaf) continue;
      const page::Leaf leaf(page);
      for (uint32_t i = 0; i < leaf.size(); ++i) {
        std::string key;
        leaf.key(i).CopyTo(key);
        Place place{number};
        if (leaf.payload(i).large) {
          const page::LargeRef ref = page::LargeRef::Decode(
              reinterpret_cast<const uint8_t*>(leaf.payload(i).bytes.data()));
          place.first_page = ref.first_page.value;
          place.pages = ref.RunPages(kPageBytes);
        }
        places.emplace(key, place);
      }
    }
    return places;
  }

  Entries AllEntries() const {
    Entries all;
    for (const auto& [name, entries] : sample_.contents) all.insert(entries.begin(), entries.end());
    return all;
  }

  // Damages the pages and expects that just those entries are missing that lay in them.
  void DamageAndSalvage(const std::set<uint64_t>& pages, std::mt19937_64& random) {
    std::string trace = "damaged:";
    MemoryFile file;
    Bytes image = sample_.image;
    for (const uint64_t page : pages) {
      absl::StrAppend(&trace, " ", page);
      uint8_t* const at = image.data() + page * kPageBytes;
      switch (random() % 3) {
        case 0:
          std::memset(at, 0, kPageBytes);
          break;
        case 1:
          std::memset(at, 0xff, kPageBytes);
          break;
        default:
          // A hit within a value's last page can miss the value: all of it.
          for (uint64_t i = 0; i < kPageBytes; ++i) at[i] = static_cast<uint8_t>(random());
      }
    }
    SCOPED_TRACE(trace);
    file.SetContent(image);
    Entries delivered;
    ESPALIER_ASSERT_OK_AND_ASSIGN(
        const SalvageReport report,
        Salvage(file.path(), [&](std::string_view, std::string_view key, std::string_view value) {
          delivered.emplace(key, value);
          return absl::OkStatus();
        }));
    EXPECT_GE(report.entries, delivered.size());
    const Entries all = AllEntries();
    // Nothing that was never written.
    for (const auto& [key, value] : delivered) {
      EXPECT_TRUE(all.contains({key, value})) << key.substr(0, 50);
    }
    // A damaged leaf takes its entries with it, a damaged value its own; nothing else is lost.
    for (const auto& [key, value] : all) {
      bool can_be_lost = true;
      const auto [begin, end] = places_.equal_range(key);
      for (auto at = begin; at != end; ++at) {
        const Place& place = at->second;
        const auto hit = pages.lower_bound(place.first_page);
        const bool value_hit =
            place.pages > 0 && hit != pages.end() && *hit < place.first_page + place.pages;
        if (!pages.contains(place.leaf) && !value_hit) can_be_lost = false;
      }
      if (!can_be_lost) {
        EXPECT_TRUE(delivered.contains({key, value})) << key.substr(0, 50) << " was lost";
      }
    }
  }

  // What is delivered; does `after_first` when the first entry was.
  static Entries SalvageEntries(const MemoryFile& file,
                                const std::function<void()>& after_first = {}) {
    Entries delivered;
    bool first = true;
    const auto report =
        Salvage(file.path(), [&](std::string_view, std::string_view key, std::string_view value) {
          delivered.emplace(key, value);
          if (std::exchange(first, false) && after_first) after_first();
          return absl::OkStatus();
        });
    EXPECT_THAT(report, IsOk());
    return delivered;
  }

  // Everything that lies in the first bytes of the file, and nothing that was never written.
  void ExpectAllBefore(uint64_t size, const Entries& delivered) const {
    const Entries all = AllEntries();
    for (const auto& [key, value] : delivered) {
      EXPECT_TRUE(all.contains({key, value})) << key.substr(0, 50);
    }
    for (const auto& [key, place] : places_) {
      if ((place.leaf + 1) * kPageBytes > size ||
          (place.first_page + place.pages) * kPageBytes > size) {
        continue;
      }
      const auto at = std::find_if(all.begin(), all.end(),
                                   [&, k = key](const auto& entry) { return entry.first == k; });
      if (at == all.end()) continue;  // the catalogue's
      EXPECT_TRUE(delivered.contains(*at)) << key.substr(0, 50) << " was lost";
    }
  }

  const Sample sample_ = MakeSample({.chunked_value = true});
  const Mutator mutator_{sample_.image};
  const std::multimap<std::string, Place> places_ = FindPlaces();
};

TEST_F(SalvageTest, OfASoundFileIsAllOfItInItsKeyspaces) {
  MemoryFile file;
  file.SetContent(sample_.image);
  Contents delivered;
  delivered["empty"];
  ESPALIER_ASSERT_OK_AND_ASSIGN(
      const SalvageReport report,
      Salvage(file.path(),
              [&](std::string_view keyspace, std::string_view key, std::string_view value) {
                if (keyspace != "salvaged") delivered[std::string(keyspace)].emplace(key, value);
                return absl::OkStatus();
              }));
  EXPECT_EQ(delivered, sample_.contents);
  EXPECT_EQ(report.damaged_pages, 0u);
  EXPECT_EQ(report.lost_values, 0u);
  EXPECT_EQ(report.pages, sample_.image.size() / kPageBytes);
}

TEST_F(SalvageTest, EachPageDamagedInTurn) {
  std::mt19937_64 random(TestSeed(1));
  for (uint64_t page = 0; page < sample_.image.size() / kPageBytes; ++page) {
    DamageAndSalvage({page}, random);
  }
}

TEST_F(SalvageTest, ManyPagesDamaged) {
  std::mt19937_64 random(TestSeed(1));
  for (int round = 0; round < 200; ++round) {
    std::set<uint64_t> pages;
    const uint64_t count = 1 + random() % 20;
    for (uint64_t i = 0; i < count; ++i) {
      pages.insert(random() % (sample_.image.size() / kPageBytes));
    }
    DamageAndSalvage(pages, random);
  }
}

TEST_F(SalvageTest, WithoutSuperblockAndSlots) {
  std::mt19937_64 random(TestSeed(1));
  DamageAndSalvage({0, 4, 8}, random);
  // With nothing but leaves and values.
  std::set<uint64_t> pages = {0, 4, 8};
  for (const uint64_t number : mutator_.nodes()) {
    const uint8_t* const page = sample_.image.data() + number * kPageBytes;
    if (page::HeaderOf(page).kind() != page::Kind::kLeaf) pages.insert(number);
  }
  DamageAndSalvage(pages, random);
}

TEST_F(SalvageTest, OfATruncatedFile) {
  MemoryFile file;
  for (uint64_t size = 0; size < sample_.image.size(); size += 512) {
    SCOPED_TRACE(absl::StrCat("truncated to ", size));
    file.SetContent(sample_.image);
    file.Resize(size);
    ExpectAllBefore(size, SalvageEntries(file));
  }
}

// As from a disk that has bad sectors: the file says that the pages are there, and to touch them is
// a fault. What lies before the cut comes afterwards, too.
TEST_F(SalvageTest, OfAFileThatIsTruncatedMeanwhile) {
  MemoryFile file;
  for (uint64_t size = 0; size < sample_.image.size(); size += kPageBytes) {
    SCOPED_TRACE(absl::StrCat("truncated to ", size));
    file.SetContent(sample_.image);
    ExpectAllBefore(size, SalvageEntries(file, [&] { file.Resize(size); }));
  }
}

// Leaves that nothing leads to any more, and that could be the catalogue's by their keys.
TEST_F(SalvageTest, OfKeysLikeTheCatalogues) {
  constexpr int kEntries = 3000;
  const os::TempDir dir;
  const std::string path = dir.File("db.esp");
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db.BeginWrite());
    for (int i = 0; i < kEntries; ++i) {
      const uint8_t number[8] = {
          0, 0, 0, 0, 0, 0, static_cast<uint8_t>(i / 256), static_cast<uint8_t>(i)};
      const std::string big_endian(reinterpret_cast<const char*>(number), sizeof(number));
      for (const std::string& key : {absl::StrCat("node/", i), absl::StrCat("k", big_endian),
                                     absl::StrCat("d", big_endian)}) {
        ASSERT_THAT(txn.Put(db.default_keyspace(), key, "8 bytes."), IsOk());
      }
    }
    ASSERT_THAT(txn.Commit(), IsOk());
    ASSERT_THAT(db.Close(), IsOk());
  }
  Bytes image = testing::ReadFile(path);
  std::fill_n(image.begin(), 9 * kPageBytes, 0);
  MemoryFile damaged;
  damaged.SetContent(image);
  EXPECT_EQ(SalvageEntries(damaged).size(), 3u * kEntries);
}

TEST_F(SalvageTest, TheSinkCanStopIt) {
  MemoryFile file;
  file.SetContent(sample_.image);
  int calls = 0;
  EXPECT_THAT(Salvage(file.path(),
                      [&](auto...) {
                        ++calls;
                        return absl::CancelledError("enough");
                      }),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(calls, 1);
}

TEST_F(SalvageTest, OfWhatIsNoDatabase) {
  EXPECT_THAT(Salvage("/no/such/file", [](auto...) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Salvage("/", [](auto...) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  MemoryFile file;
  for (const size_t size : {size_t{0}, size_t{100}, size_t{100000}}) {
    file.SetContent(Bytes(size, 0x5a));
    ESPALIER_ASSERT_OK_AND_ASSIGN(const SalvageReport report,
                                  Salvage(file.path(), [](auto...) { return absl::OkStatus(); }));
    EXPECT_EQ(report.entries, 0u);
  }
}

}  // namespace
}  // namespace espalier
