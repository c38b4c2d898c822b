#include "engine/txn/reader_table.h"

#include <algorithm>
#include <ctime>
#include <memory>
#include <thread>

#include "engine/base/mutant.h"

namespace espalier::txn {
namespace {

// For statistics only; the coarse clock costs a few nanoseconds.
int64_t CoarseNowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

// Where a thread begins to look for a free slot, so that threads do not compete for one. Only a
// hint.
size_t ThreadHint() {
  static std::atomic<size_t> threads{0};
  thread_local const size_t hint = threads.fetch_add(1, std::memory_order_relaxed);
  return hint;
}

}  // namespace

ReaderTable::~ReaderTable() {
  Block* block = first_.next.load(std::memory_order_acquire);
  while (block != nullptr) {
    const std::unique_ptr<Block> owned(block);
    block = owned->next.load(std::memory_order_acquire);
  }
}

ReaderSlot* ReaderTable::Acquire() {
  const size_t hint = ThreadHint();
  for (Block* block = &first_;;) {
    for (size_t i = 0; i < kBlockSlots; ++i) {
      const size_t index = (hint + i) % kBlockSlots;
      ReaderSlot& slot = block->slots[index];
      if (slot.state_.load(std::memory_order_relaxed) != kFree) continue;
      // Whoever scans must look at the slot before it can matter.
      size_t used = block->used.load(std::memory_order_seq_cst);
      while (used < index + 1 && !block->used.compare_exchange_weak(used, index + 1)) {
      }
      uint64_t expected = kFree;
      // Sequentially consistent: visible to the writer before the newest version is read.
      if (!slot.state_.compare_exchange_strong(expected, kUndecided, std::memory_order_seq_cst)) {
        continue;
      }
      slot.began_ms_.store(CoarseNowMs(), std::memory_order_relaxed);
      return &slot;
    }
    Block* next = block->next.load(std::memory_order_acquire);
    if (next == nullptr) {
      auto fresh = std::make_unique<Block>();
      if (block->next.compare_exchange_strong(next, fresh.get())) next = fresh.release();
    }
    block = next;
  }
}

void ReaderTable::Publish(ReaderSlot* slot, Version version) {
  slot->state_.store(version.value, std::memory_order_release);
}

void ReaderTable::BeginRelease(ReaderSlot* slot) {
  slot->state_.exchange(kReleasing, std::memory_order_seq_cst);
}

void ReaderTable::DelayRelease(ReaderSlot* slot) {
  slot->state_.store(kDelayed, std::memory_order_seq_cst);
}

void ReaderTable::Release(ReaderSlot* slot) {
  slot->state_.store(kFree, std::memory_order_release);
}

template <typename Function>
void ReaderTable::ForEachState(Function function) const {
  for (const Block* block = &first_; block != nullptr;
       block = block->next.load(std::memory_order_seq_cst)) {
    const size_t used = block->used.load(std::memory_order_seq_cst);
    for (size_t i = 0; i < used; ++i) {
      const ReaderSlot& slot = block->slots[i];
      function(slot, slot.state_.load(std::memory_order_seq_cst));
    }
  }
}

void ReaderTable::ScanInto(Scan& scan) const {
  scan.versions.clear();
  scan.undecided = false;
  ForEachState([&](const ReaderSlot&, uint64_t state) {
    if (state == kFree || state == kReleasing || state == kDelayed) return;
    if (state == kUndecided) {
      scan.undecided = !IsMutant(Mutant::kForgetUndecidedReader);
    } else {
      scan.versions.emplace_back(state);
    }
  });
  std::sort(scan.versions.begin(), scan.versions.end());
  scan.versions.erase(std::unique(scan.versions.begin(), scan.versions.end()), scan.versions.end());
}

bool ReaderTable::HasReaders() const {
  bool found = false;
  ForEachState([&](const ReaderSlot& slot, uint64_t state) {
    while (state == kReleasing) {
      std::this_thread::yield();
      state = slot.state_.load(std::memory_order_seq_cst);
    }
    found = found || state != kFree;
  });
  return found;
}

std::vector<ReaderTable::Reader> ReaderTable::Readers() const {
  std::vector<Reader> readers;
  const int64_t now = CoarseNowMs();
  ForEachState([&](const ReaderSlot& slot, uint64_t state) {
    if (state == kFree || state >= kDelayed) return;
    readers.push_back({Version(state),
                       std::max<int64_t>(0, now - slot.began_ms_.load(std::memory_order_relaxed))});
  });
  std::sort(readers.begin(), readers.end(),
            [](const Reader& a, const Reader& b) { return a.version < b.version; });
  return readers;
}

}  // namespace espalier::txn
