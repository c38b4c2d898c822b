// A tree without an engine: pages in memory, transactions by hand, and a sorted map that says what
// must be in it.
#ifndef ESPALIER_ENGINE_TREE_TREE_FOR_TESTING_H_
#define ESPALIER_ENGINE_TREE_TREE_FOR_TESTING_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bitmap.h"
#include "engine/base/status_for_testing.h"
#include "engine/page/inner.h"
#include "engine/page/large_ref.h"
#include "engine/page/leaf.h"
#include "engine/page/node_builder.h"
#include "engine/page/validate.h"
#include "engine/space/memory_file_for_testing.h"
#include "engine/space/page_allocator.h"
#include "engine/tree/cursor.h"
#include "engine/tree/lookup.h"
#include "engine/tree/page_writer.h"
#include "engine/tree/tree_writer.h"
#include "engine/tree/values.h"
#include "gtest/gtest.h"

namespace espalier::tree {

class TreeForTesting {
 public:
  static constexpr uint32_t kPageBytes = space::MemoryFile::kPageBytes;
  static constexpr uint64_t kReserved = 9;
  using Model = std::map<std::string, std::string>;

  TreeForTesting() {
    EXPECT_THAT(file_.Grow(kReserved), IsOk());
    allocator_.Load(Bitmap(kReserved), kReserved);
    Begin();
  }

  // --- Changes, to tree and model alike
  void Put(const std::string& key, const std::string& value, uint32_t compress_from = 0) {
    TreeWriter writer(&*pages_, &arena_, &root_);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const TreeWriter::Place place,
                                  writer.Seek(key, TreeWriter::Above::kWritable));
    EXPECT_EQ(place.exact, model_.contains(key));
    ESPALIER_ASSERT_OK_AND_ASSIGN(const page::Payload payload,
                                  encoder_.Encode(*pages_, key.size(), value, compress_from));
    ASSERT_THAT(writer.Put(key, payload), IsOk());
    model_[key] = value;
  }
  void Append(const std::string& key, const std::string& value) {
    TreeWriter writer(&*pages_, &arena_, &root_);
    const bool is_last = model_.empty() || key > model_.rbegin()->first;
    ASSERT_THAT(writer.SeekEnd(key), IsOkAndHolds(is_last));
    if (!is_last) return;
    ESPALIER_ASSERT_OK_AND_ASSIGN(const page::Payload payload,
                                  encoder_.Encode(*pages_, key.size(), value, 0));
    ASSERT_THAT(writer.Put(key, payload), IsOk());
    model_[key] = value;
  }
  void Remove(const std::string& key) {
    TreeWriter writer(&*pages_, &arena_, &root_);
    ESPALIER_ASSERT_OK_AND_ASSIGN(const TreeWriter::Place place, writer.Seek(key));
    ASSERT_EQ(place.exact, model_.contains(key));
    if (!place.exact) {
      EXPECT_THAT(writer.Remove(), StatusIs(absl::StatusCode::kNotFound));
      return;
    }
    ASSERT_THAT(writer.Remove(), IsOk());
    model_.erase(key);
  }
  void RemoveRange(const std::string& begin, const std::optional<std::string>& end) {
    TreeWriter writer(&*pages_, &arena_, &root_);
    const auto first = model_.lower_bound(begin);
    const auto last = !end.has_value() ? model_.end()
                      : *end <= begin  ? first
                                       : model_.lower_bound(*end);
    ASSERT_THAT(writer.RemoveRange(begin, end, detached_),
                IsOkAndHolds(static_cast<uint64_t>(std::distance(first, last))));
    model_.erase(first, last);
  }
  // Frees detached trees, `budget` pages at a time.
  void FreeDetached(uint64_t budget) {
    while (!detached_.empty()) {
      uint64_t left = budget;
      const absl::StatusOr<std::optional<DetachedTree>> rest =
          TreeWriter::FreePart(*pages_, detached_.back(), left);
      ASSERT_THAT(rest, IsOk());
      ASSERT_LT(left, budget) << "no progress";
      if (rest->has_value()) {
        detached_.back() = **rest;
      } else {
        detached_.pop_back();
      }
    }
  }

  // As a compaction does it: each level from one end to the other. Pages from `page_limit` on move
  // to the front.
  void Tidy(bool repack, uint64_t page_limit) {
    allocator_.AllocateFromFront();
    for (uint32_t level = 0; level < std::max(1u, root_.height); ++level) {
      std::string from;
      for (bool more = true; more;) {
        TreeWriter writer(&*pages_, &arena_, &root_);
        ESPALIER_ASSERT_OK_AND_ASSIGN(std::optional<std::string> next,
                                      writer.Tidy(from, {level, repack, page_limit}));
        more = next.has_value();
        if (more) from = *std::move(next);
      }
    }
  }

  // --- Transactions
  void Commit() {
    allocator_.Commit();
    allocator_.Reclaim({}, Version(0));
    Begin();
  }
  void Rollback() {
    allocator_.Rollback();
    root_ = root_before_;
    model_ = model_before_;
    detached_ = detached_before_;
    --version_.value;
    Begin();
  }

  // --- Checks
  // Everything: order, counts, separators, lookups, positions, and that the pages in use are the
  // tree's.
  void Check() {
    Bitmap seen(allocator_.page_count());
    uint64_t entries = 0;
    std::vector<std::string> keys;
    if (root_.height > 0)
      entries = Walk(root_.ref, root_.height - 1, "", std::nullopt, seen, &keys);
    ASSERT_EQ(entries, model_.size());
    ASSERT_EQ(root_.entries, model_.size());
    for (const DetachedTree& tree : detached_) {
      Walk(tree.ref, tree.level, "", std::nullopt, seen, nullptr);
    }
    EXPECT_EQ(seen.Count(), allocator_.reachable_pages());
    for (uint64_t page = 0; page < seen.size(); ++page) {
      ASSERT_EQ(seen.Test(page), allocator_.reachable().Test(page)) << "page " << page;
    }
    CheckCursor();
    CheckLookups();
  }

  const Model& model() const { return model_; }
  const page::TreeRoot& root() const { return root_; }
  page::TreeRoot& root() { return root_; }
  const page::PageReader& reader() const { return pages_->reader(); }
  PageWriter& pages() { return *pages_; }
  space::PageAllocator& allocator() { return allocator_; }
  space::MemoryFile& file() { return file_; }
  page::Arena& arena() { return arena_; }

 private:
  void Begin() {
    ++version_.value;
    root_before_ = root_;
    model_before_ = model_;
    detached_before_ = detached_;
    allocator_.Begin(version_);
    pages_.emplace(&allocator_, version_);
  }

  uint64_t Walk(page::ChildRef ref, uint32_t level, const std::string& begin,
                const std::optional<std::string>& end, Bitmap& seen,
                std::vector<std::string>* keys) {
    const uint8_t* const page = pages_->Fetch(ref, level);
    EXPECT_NE(page, nullptr) << pages_->Explain(ref, level);
    if (page == nullptr) return 0;
    EXPECT_EQ(page::FindStructuralFault(page, kPageBytes), nullptr)
        << page::FindStructuralFault(page, kPageBytes);
    EXPECT_FALSE(seen.Test(ref.number().value));
    seen.Set(ref.number().value);
    const auto in_range = [&](const std::string& key) {
      return key >= begin && (!end.has_value() || key < *end);
    };
    if (level == 0) {
      const page::Leaf leaf(page);
      for (uint32_t i = 0; i < leaf.size(); ++i) {
        std::string key;
        leaf.key(i).CopyTo(key);
        EXPECT_TRUE(in_range(key));
        if (keys != nullptr) keys->push_back(key);
        if (!leaf.payload(i).large) continue;
        const page::LargeRef run =
            page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(leaf.payload(i).bytes.data()));
        const uint64_t pages = run.RunPages(kPageBytes);
        EXPECT_EQ(seen.CountRange(run.first_page.value, pages), 0u);
        seen.SetRange(run.first_page.value, pages);
      }
      return leaf.size();
    }
    const page::Inner node(page);
    EXPECT_GT(node.size(), 0u);
    uint64_t sum = 0;
    std::vector<std::string> separators(node.size());
    for (uint32_t i = 1; i < node.size(); ++i) {
      node.separator(i).CopyTo(separators[i]);
      EXPECT_TRUE(in_range(separators[i]));
    }
    for (uint32_t i = 0; i < node.size(); ++i) {
      const std::string& from = i == 0 ? begin : separators[i];
      const std::optional<std::string> to =
          i + 1 < node.size() ? std::optional<std::string>(separators[i + 1]) : end;
      const uint64_t below = Walk(node.child(i), level - 1, from, to, seen, keys);
      // A detached tree's counts are not kept up.
      if (keys != nullptr) {
        EXPECT_EQ(below, node.count(i));
      }
      sum += below;
    }
    return sum;
  }

  void CheckCursor() {
    Cursor cursor(reader(), root_);
    page::Arena values;
    const auto expect_entry = [&](const Model::value_type& expected) {
      std::string key;
      cursor.key().CopyTo(key);
      EXPECT_EQ(key, expected.first);
      values.Reset();
      EXPECT_THAT(DecodeValue(reader(), cursor.payload(), values), IsOkAndHolds(expected.second));
      EXPECT_THAT(ValueSize(reader(), cursor.payload()), IsOkAndHolds(expected.second.size()));
    };
    auto expected = model_.begin();
    for (bool found = cursor.First(); found; found = cursor.Next()) {
      ASSERT_NE(expected, model_.end());
      expect_entry(*expected++);
    }
    EXPECT_EQ(expected, model_.end());
    EXPECT_FALSE(cursor.valid());
    auto backwards = model_.rbegin();
    for (bool found = cursor.Last(); found; found = cursor.Prev()) {
      ASSERT_NE(backwards, model_.rend());
      expect_entry(*backwards++);
    }
    EXPECT_EQ(backwards, model_.rend());
    EXPECT_THAT(cursor.status(), IsOk());
    uint64_t index = 0;
    for (const auto& entry : model_) {
      if (index % 5 == 0) {
        ASSERT_TRUE(cursor.Select(index));
        expect_entry(entry);
        // From there both ways.
        const auto here = model_.find(entry.first);
        if (std::next(here) != model_.end()) {
          ASSERT_TRUE(cursor.Next());
          expect_entry(*std::next(here));
          ASSERT_TRUE(cursor.Prev());
          expect_entry(entry);
        } else {
          EXPECT_FALSE(cursor.Next());
        }
        ASSERT_TRUE(cursor.SeekLowerBound(entry.first));
        expect_entry(entry);
        const auto after = model_.upper_bound(entry.first);
        EXPECT_EQ(cursor.SeekLowerBound(entry.first + std::string(1, '\0')), after != model_.end());
        if (after != model_.end()) expect_entry(*after);
      }
      ++index;
    }
    EXPECT_FALSE(cursor.Select(model_.size()));
    EXPECT_FALSE(cursor.Select(UINT64_MAX));
    EXPECT_THAT(cursor.status(), IsOk());
  }

  void CheckLookups() {
    std::vector<std::string> keys;
    for (const auto& [key, value] : model_) {
      keys.push_back(key);
      keys.push_back(key + "?");
      keys.push_back(key.substr(0, key.size() - 1));
    }
    keys.emplace_back("no such key");
    std::vector<std::string_view> views(keys.begin(), keys.end());
    std::vector<Found> found(views.size());
    FindMany(reader(), root_, views, absl::MakeSpan(found));
    page::Arena values;
    for (size_t i = 0; i < keys.size(); ++i) {
      const Found single = Find(reader(), root_, keys[i]);
      const auto expected = model_.find(keys[i]);
      const Outcome outcome = expected == model_.end() ? Outcome::kMissing : Outcome::kFound;
      ASSERT_EQ(single.outcome, outcome);
      ASSERT_EQ(found[i].outcome, outcome);
      if (expected != model_.end()) {
        EXPECT_EQ(single.payload.bytes.data(), found[i].payload.bytes.data());
        values.Reset();
        EXPECT_THAT(DecodeValue(reader(), found[i].payload, values),
                    IsOkAndHolds(expected->second));
      }
    }
    uint64_t rank = 0;
    for (const auto& [key, value] : model_) {
      EXPECT_EQ(Rank(reader(), root_, key), rank);
      EXPECT_EQ(Rank(reader(), root_, key + std::string(1, '\0')), rank + 1);
      ++rank;
    }
    EXPECT_EQ(Rank(reader(), root_, ""), 0u);
  }

  space::MemoryFile file_{uint64_t{1} << 18};
  space::PageAllocator allocator_{kReserved, kPageBytes, &file_};
  Version version_{1};
  std::optional<PageWriter> pages_;
  page::Arena arena_;
  ValueEncoder encoder_;
  page::TreeRoot root_;
  page::TreeRoot root_before_;
  Model model_;
  Model model_before_;
  std::vector<DetachedTree> detached_;
  std::vector<DetachedTree> detached_before_;
};

}  // namespace espalier::tree

#endif  // ESPALIER_ENGINE_TREE_TREE_FOR_TESTING_H_
