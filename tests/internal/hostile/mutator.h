// Makes hostile files: changes fields of pages, slots and superblock at random, and then puts the
// checksums right, so that nothing but the bounds checks of INV-11 stands between them and the
// engine.

#ifndef ESPALIER_TESTS_INTERNAL_HOSTILE_MUTATOR_H_
#define ESPALIER_TESTS_INTERNAL_HOSTILE_MUTATOR_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/hostile/memory_file.h"

namespace espalier::testing {

class Mutator {
 public:
  // `image` is a closed, sound database.
  explicit Mutator(Bytes image);

  // A copy of the image with one to four changes. describe() tells what they were.
  Bytes Mutate(std::mt19937_64& random);
  const std::string& describe() const { return description_; }

  // The pages with a valid checksum: nodes and the space map.
  const std::vector<uint64_t>& nodes() const { return nodes_; }

  // Puts the checksums of everything right.
  void Reseal(Bytes& image) const;

 private:
  void ChangeOnce(Bytes& image, std::mt19937_64& random);
  void ChangeNode(Bytes& image, std::mt19937_64& random);
  void ChangeSlots(Bytes& image, std::mt19937_64& random);
  void ChangeSuperblock(Bytes& image, std::mt19937_64& random);
  void Note(const std::string& what);
  uint64_t InterestingNumber(std::mt19937_64& random) const;

  const Bytes image_;
  uint32_t page_bytes_;
  std::vector<uint64_t> nodes_;
  std::vector<uint64_t> refs_;  // of all nodes
  std::string description_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_INTERNAL_HOSTILE_MUTATOR_H_
