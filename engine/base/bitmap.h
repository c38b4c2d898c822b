// A growable sequence of bits, searched and counted a word (64 bits) at a time.
//
//   Bitmap free(page_count);
//   free.SetRange(16, 100);
//   if (std::optional<size_t> run = free.FindRunOfSet(0, 8)) free.ClearRange(*run, 8);
//
// Indices and ranges must lie within size(); this is asserted, not reported: whatever comes from a
// file is bounds-checked before it gets here (INV-11). Not thread-safe.

#ifndef ESPALIER_ENGINE_BASE_BITMAP_H_
#define ESPALIER_ENGINE_BASE_BITMAP_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace espalier {

class Bitmap {
 public:
  Bitmap() = default;
  // `size` bits, all clear.
  explicit Bitmap(size_t size) { Resize(size); }

  size_t size() const { return size_; }

  // Cuts bits off the end or adds clear ones to it.
  void Resize(size_t size);

  bool Test(size_t index) const {
    assert(index < size_);
    return (words_[index / 64] >> (index % 64)) & 1;
  }
  void Set(size_t index) {
    assert(index < size_);
    words_[index / 64] |= uint64_t{1} << (index % 64);
  }
  void Clear(size_t index) {
    assert(index < size_);
    words_[index / 64] &= ~(uint64_t{1} << (index % 64));
  }
  void SetRange(size_t begin, size_t count);
  void ClearRange(size_t begin, size_t count);

  // The number of set bits, in all or in [begin, begin + count).
  size_t Count() const { return CountRange(0, size_); }
  size_t CountRange(size_t begin, size_t count) const;

  // The first set (clear) bit at or after `from`, or size() if there is none. `from` <= size().
  size_t FindFirstSet(size_t from) const;
  // The same in [from, end), or `end` if there is none. `from` <= `end` <= size().
  size_t FindFirstSet(size_t from, size_t end) const;
  size_t FindFirstClear(size_t from) const;

  std::optional<size_t> FindLastSet() const;

  // The start of the first `length` > 0 set bits in a row that all lie at or after `from` <=
  // size().
  std::optional<size_t> FindRunOfSet(size_t from, size_t length) const;

  // Bit i is bit (i % 64) of word (i / 64). Bits of the last word past size() are clear.
  std::span<const uint64_t> words() const { return words_; }

  // Replaces one of words(); what `word` holds past size() is dropped.
  void SetWord(size_t word_index, uint64_t word);

  friend bool operator==(const Bitmap&, const Bitmap&) = default;

 private:
  size_t size_ = 0;
  // (size_ + 63) / 64 words; the bits past size_ are clear, so that no search needs to look at
  // size_.
  std::vector<uint64_t> words_;
};

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_BITMAP_H_
