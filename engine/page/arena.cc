#include "engine/page/arena.h"

#include <cstring>

namespace espalier::page {

char* Arena::Allocate(size_t bytes) {
  if (bytes > kBlockBytes / 4) {
    large_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
    return large_.back().get();
  }
  if (block_ < blocks_.size() && used_ + bytes > kBlockBytes) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
  }
  char* const result = blocks_[block_].get() + used_;
  used_ += bytes;
  return result;
}

std::string_view Arena::Copy(std::string_view bytes) {
  if (bytes.empty()) return {};
  char* const copy = Allocate(bytes.size());
  std::memcpy(copy, bytes.data(), bytes.size());
  return {copy, bytes.size()};
}

void Arena::Reset() {
  large_.clear();
  block_ = 0;
  used_ = 0;
}

}  // namespace espalier::page
