#include "engine/base/bitmap.h"

#include <algorithm>
#include <bit>

namespace espalier {
namespace {

constexpr size_t kWordBits = 64;
constexpr uint64_t kAllSet = ~uint64_t{0};

// The bits of a word from `begin` (< 64) upwards, and those below `end` (1 to 64).
constexpr uint64_t BitsFrom(size_t begin) { return kAllSet << begin; }
constexpr uint64_t BitsBelow(size_t end) { return kAllSet >> (kWordBits - end); }

// Calls visit(word index, mask of the range's bits in that word) for each word that the range
// touches.
template <typename Visit>
void ForEachWord(size_t begin, size_t count, Visit visit) {
  if (count == 0) return;
  const size_t last = begin + count - 1;
  for (size_t word = begin / kWordBits; word <= last / kWordBits; ++word) {
    uint64_t mask = kAllSet;
    if (word == begin / kWordBits) mask &= BitsFrom(begin % kWordBits);
    if (word == last / kWordBits) mask &= BitsBelow(last % kWordBits + 1);
    visit(word, mask);
  }
}

// The positions at which `length` (1 to 64) set bits of `word` begin.
uint64_t RunStarts(uint64_t word, size_t length) {
  // Invariant: `word` marks the starts of runs of `have`; two that overlap or touch make a longer
  // one.
  for (size_t have = 1; have < length && word != 0;) {
    const size_t step = std::min(have, length - have);
    word &= word >> step;
    have += step;
  }
  return word;
}

}  // namespace

void Bitmap::Resize(size_t size) {
  words_.resize((size + kWordBits - 1) / kWordBits, 0);
  size_ = size;
  if (size % kWordBits != 0) words_.back() &= BitsBelow(size % kWordBits);
}

void Bitmap::SetRange(size_t begin, size_t count) {
  assert(begin <= size_ && count <= size_ - begin);
  ForEachWord(begin, count, [this](size_t word, uint64_t mask) { words_[word] |= mask; });
}

void Bitmap::ClearRange(size_t begin, size_t count) {
  assert(begin <= size_ && count <= size_ - begin);
  ForEachWord(begin, count, [this](size_t word, uint64_t mask) { words_[word] &= ~mask; });
}

size_t Bitmap::CountRange(size_t begin, size_t count) const {
  assert(begin <= size_ && count <= size_ - begin);
  size_t total = 0;
  ForEachWord(begin, count, [this, &total](size_t word, uint64_t mask) {
    total += static_cast<size_t>(std::popcount(words_[word] & mask));
  });
  return total;
}

size_t Bitmap::FindFirstSet(size_t from) const { return FindFirstSet(from, size_); }

size_t Bitmap::FindFirstSet(size_t from, size_t end) const {
  assert(from <= end && end <= size_);
  uint64_t mask = BitsFrom(from % kWordBits);
  for (size_t word = from / kWordBits; word * kWordBits < end; ++word, mask = kAllSet) {
    const uint64_t candidates = words_[word] & mask;
    if (candidates != 0) {
      return std::min(end, word * kWordBits + static_cast<size_t>(std::countr_zero(candidates)));
    }
  }
  return end;
}

size_t Bitmap::FindFirstClear(size_t from) const {
  assert(from <= size_);
  uint64_t mask = BitsFrom(from % kWordBits);
  for (size_t word = from / kWordBits; word < words_.size(); ++word, mask = kAllSet) {
    const uint64_t candidates = ~words_[word] & mask;
    if (candidates != 0) {
      // May be one of the clear bits past the end.
      return std::min(size_, word * kWordBits + static_cast<size_t>(std::countr_zero(candidates)));
    }
  }
  return size_;
}

std::optional<size_t> Bitmap::FindLastSet() const {
  for (size_t word = words_.size(); word-- > 0;) {
    if (words_[word] != 0) {
      return word * kWordBits + static_cast<size_t>(std::bit_width(words_[word])) - 1;
    }
  }
  return std::nullopt;
}

std::optional<size_t> Bitmap::FindRunOfSet(size_t from, size_t length) const {
  assert(from <= size_ && length > 0);
  uint64_t mask = BitsFrom(from % kWordBits);
  size_t run = 0;  // how many set bits lie in a row just below the current word
  for (size_t i = from / kWordBits; i < words_.size(); ++i, mask = kAllSet) {
    const uint64_t word = words_[i] & mask;
    if (run + static_cast<size_t>(std::countr_one(word)) >= length) return i * kWordBits - run;
    if (word == kAllSet) {
      run += kWordBits;
      continue;
    }
    if (length <= kWordBits) {
      const uint64_t starts = RunStarts(word, length);
      if (starts != 0) return i * kWordBits + static_cast<size_t>(std::countr_zero(starts));
    }
    run = static_cast<size_t>(std::countl_one(word));
  }
  return std::nullopt;
}

void Bitmap::SetWord(size_t word_index, uint64_t word) {
  assert(word_index < words_.size());
  const bool is_cut = word_index + 1 == words_.size() && size_ % kWordBits != 0;
  words_[word_index] = is_cut ? word & BitsBelow(size_ % kWordBits) : word;
}

}  // namespace espalier
