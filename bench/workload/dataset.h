// The records that every engine stores: the same keys and values, in the same orders, at the same
// cost.
//
//   key of record i    16 bytes: Mix64(i + salt), big-endian, then Mix64 of that. So keys are
//                      distinct, look random, and are ordered as their first 8 bytes are.
//   value of record i  100 bytes (by default) out of a fixed pool of random bytes, at a place that
//                      depends on the record and its generation (0 when loaded, one more at each
//                      rewrite).
//
// Values are views into the pool: making one costs a hash, not a copy.
#ifndef ESPALIER_BENCH_WORKLOAD_DATASET_H_
#define ESPALIER_BENCH_WORKLOAD_DATASET_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bench/workload/random.h"

namespace espalier::bench {

inline constexpr uint64_t kKeySizeBytes = 16;

// A key by value; it converts to the view that the engines take.
struct Key {
  std::array<char, kKeySizeBytes> bytes;
  operator std::string_view() const {  // NOLINT(google-explicit-constructor)
    return {bytes.data(), bytes.size()};
  }
};

// Immutable after construction, hence usable from any number of threads.
class Dataset {
 public:
  Dataset(uint64_t record_count, uint64_t value_size_bytes);

  uint64_t record_count() const { return record_count_; }
  uint64_t value_size_bytes() const { return value_size_bytes_; }
  uint64_t raw_bytes() const { return record_count_ * (kKeySizeBytes + value_size_bytes_); }

  // The key of record `index`; indexes at or above record_count() give keys that were not loaded.
  static Key KeyOf(uint64_t index) { return KeyOfHead(Mix64(index + kSalt)); }

  std::string_view ValueOf(uint64_t index, uint64_t generation = 0) const {
    uint64_t offset = Mix64(index * 0x9e3779b97f4a7c15u + generation) % kPoolOffsets;
    return {pool_.data() + offset, value_size_bytes_};
  }

  // The indexes of all records in the order of their keys.
  std::vector<uint32_t> SortedOrder() const;

 private:
  static constexpr uint64_t kSalt = 0x5eed;
  static constexpr uint64_t kPoolOffsets = 64 * 1024;

  static Key KeyOfHead(uint64_t head) {
    uint64_t words[2] = {__builtin_bswap64(head), Mix64(head)};
    Key key;
    std::memcpy(key.bytes.data(), words, sizeof words);
    return key;
  }

  uint64_t record_count_;
  uint64_t value_size_bytes_;
  std::string pool_;
};

// What a row does with a value that it was given: it reads the first eight bytes. The same for
// every engine, for Get, MultiGet and scans alike; values shorter than that are an error of the
// bench.
class Touch {
 public:
  void operator()(std::string_view value) {
    uint64_t word;
    std::memcpy(&word, value.data(), sizeof word);
    sum_ += word;
    ++count_;
  }

  uint64_t sum() const { return sum_; }
  uint64_t count() const { return count_; }

  friend bool operator==(const Touch&, const Touch&) = default;

 private:
  uint64_t sum_ = 0;
  uint64_t count_ = 0;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_WORKLOAD_DATASET_H_
