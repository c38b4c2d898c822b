#ifndef ESPALIER_ENGINE_PAGE_ARENA_H_
#define ESPALIER_ENGINE_PAGE_ARENA_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace espalier::page {

// Memory for the keys and payloads of taken-apart nodes, reused from one operation to the next.
class Arena {
 public:
  // Uninitialised; valid until Reset().
  char* Allocate(size_t bytes);
  std::string_view Copy(std::string_view bytes);
  void Reset();

 private:
  static constexpr size_t kBlockBytes = size_t{256} << 10;
  std::vector<std::unique_ptr<char[]>> blocks_;  // of kBlockBytes each
  std::vector<std::unique_ptr<char[]>> large_;
  size_t block_ = 0;  // index into blocks_
  size_t used_ = 0;   // of that block
};

}  // namespace espalier::page

#endif  // ESPALIER_ENGINE_PAGE_ARENA_H_
