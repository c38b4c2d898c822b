// Which versions are being read. A slot belongs to one transaction, never to a thread, and fills a
// cache line of its own, so that readers on different processors do not disturb each other.
#ifndef ESPALIER_ENGINE_TXN_READER_TABLE_H_
#define ESPALIER_ENGINE_TXN_READER_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "engine/base/types.h"

namespace espalier::txn {

class alignas(64) ReaderSlot {
 public:
  Version version() const { return Version(state_.load(std::memory_order_relaxed)); }

 private:
  friend class ReaderTable;
  std::atomic<uint64_t> state_{0};  // a version, or one of ReaderTable's marks
  std::atomic<int64_t> began_ms_{0};
};

// Thread-safe. Taking and giving back a slot never waits for another thread.
class ReaderTable {
 public:
  ReaderTable() = default;
  ~ReaderTable();
  ReaderTable(const ReaderTable&) = delete;
  ReaderTable& operator=(const ReaderTable&) = delete;

  // Takes a slot that, until Publish(), protects every version there is: the caller reads the
  // newest version between the two, and no page of it can be handed out meanwhile (INV-10).
  ReaderSlot* Acquire();
  void Publish(ReaderSlot* slot, Version version);

  // Announces that the transaction is about to give its slot back; Release() does so. Between the
  // two HasReaders() waits for it, without end if it waits for the caller: then it must say so
  // before, with DelayRelease(), and is counted.
  void BeginRelease(ReaderSlot* slot);
  void DelayRelease(ReaderSlot* slot);
  void Release(ReaderSlot* slot);

  struct Scan {
    std::vector<Version> versions;  // ascending, each once
    // Somebody is between Acquire() and Publish(): any version may be protected.
    bool undecided = false;
  };
  void ScanInto(Scan& scan) const;

  // Waits out those that are just being given back, unless they are delayed.
  bool HasReaders() const;

  struct Reader {
    Version version;
    int64_t age_ms;
  };
  std::vector<Reader> Readers() const;

 private:
  static constexpr uint64_t kFree = 0;
  static constexpr uint64_t kUndecided = UINT64_MAX;
  static constexpr uint64_t kReleasing = UINT64_MAX - 1;
  static constexpr uint64_t kDelayed = UINT64_MAX - 2;
  static constexpr size_t kBlockSlots = 64;

  struct Block {
    std::array<ReaderSlot, kBlockSlots> slots;
    // One past the highest slot that was ever taken.
    std::atomic<size_t> used{0};
    std::atomic<Block*> next{nullptr};
  };

  template <typename Function>
  void ForEachState(Function function) const;

  Block first_;
};

}  // namespace espalier::txn

#endif  // ESPALIER_ENGINE_TXN_READER_TABLE_H_
