#include "engine/txn/page_preparer.h"

#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/file.h"
#include "engine/os/mapping.h"
#include "engine/page/page_source.h"
#include "gtest/gtest.h"

namespace espalier::txn {
namespace {

std::shared_ptr<page::PageSource> MakeSource() {
  const os::File file = os::File::CreateInMemory("test").value();
  return std::make_shared<page::PageSource>(
      os::Mapping::Map(file, 1 << 20, os::Access::kReadWrite, /*separate_read_view=*/false).value(),
      4096, /*verify_checksums=*/true, "test");
}

// Keeps what it prepares, each time as soon as it may.
class PagePreparerTest : public ::testing::Test {
 protected:
  void AwaitBegun(size_t runs) {
    MutexLock lock(&mutex_);
    while (begun_.size() < runs) changed_.Wait(&mutex_);
  }
  void Hold(bool held) {
    MutexLock lock(&mutex_);
    held_ = held;
    changed_.NotifyAll();
  }
  std::vector<PageRun> begun() {
    MutexLock lock(&mutex_);
    return begun_;
  }

  std::shared_ptr<page::PageSource> source_ = MakeSource();
  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<PageRun> begun_ ABSL_GUARDED_BY(mutex_);
  PagePreparer preparer_{[this](const PageRun& pages, os::Mapping& mapping) {
    MutexLock lock(&mutex_);
    EXPECT_EQ(&mapping, &source_->mapping());
    begun_.push_back(pages);
    changed_.NotifyAll();
    while (held_) changed_.Wait(&mutex_);
  }};
};

TEST_F(PagePreparerTest, NothingWasStarted) { EXPECT_FALSE(preparer_.Finish()); }

TEST_F(PagePreparerTest, EachIsPreparedOnce) {
  for (size_t i = 1; i <= 3; ++i) {
    preparer_.Start({i, 10 * i}, source_);
    AwaitBegun(i);
    EXPECT_TRUE(preparer_.Finish());
    EXPECT_FALSE(preparer_.Finish());
  }
  EXPECT_EQ(begun(), (std::vector<PageRun>{{1, 10}, {2, 20}, {3, 30}}));
  EXPECT_EQ(source_.use_count(), 1) << "keeps the mapping";
}

TEST_F(PagePreparerTest, WaitsForWhatHasBegun) {
  Hold(true);
  preparer_.Start({1, 1}, source_);
  AwaitBegun(1);
  std::thread release([this] { Hold(false); });
  EXPECT_TRUE(preparer_.Finish());
  {
    MutexLock lock(&mutex_);
    EXPECT_FALSE(held_);
  }
  release.join();
}

// Each is either done or called off; what is called off never happens.
TEST_F(PagePreparerTest, WhatHasNotBegunIsCalledOff) {
  std::vector<PageRun> done;
  for (uint64_t i = 0; i < 2000; ++i) {
    preparer_.Start({i, 1}, source_);
    if (i % 3 == 0) std::this_thread::yield();
    if (preparer_.Finish()) done.push_back({i, 1});
    EXPECT_EQ(begun().size(), done.size());
  }
  EXPECT_EQ(begun(), done);
}

// What it cannot do, the first store to the page does.
TEST(PagePreparerMemoryTest, RunsOut) {
  PagePreparer preparer([](const PageRun& pages, os::Mapping&) {
    if (pages.first == 1) throw std::bad_alloc();
  });
  const std::shared_ptr<page::PageSource> source = MakeSource();
  for (const uint64_t first : {1, 2}) {
    bool begun = false;
    while (!begun) {
      preparer.Start({first, 1}, source);
      std::this_thread::yield();
      begun = preparer.Finish();
    }
  }
}

TEST_F(PagePreparerTest, BeginsAnewAfterAStop) {
  Hold(true);
  preparer_.Start({1, 1}, source_);
  AwaitBegun(1);
  Hold(false);
  preparer_.Stop();
  EXPECT_TRUE(preparer_.Finish());
  preparer_.Start({2, 1}, source_);
  AwaitBegun(2);
  EXPECT_TRUE(preparer_.Finish());
}

}  // namespace
}  // namespace espalier::txn
