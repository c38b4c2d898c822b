// An object that a fork child shares with its parent, and that outlives the child however that
// ends.
//
//   SharedMemory<std::atomic<int>> reached;
//   if (fork() == 0) { *reached = 1; raise(SIGKILL); }
#ifndef ESPALIER_TESTS_SUPPORT_SHARED_MEMORY_H_
#define ESPALIER_TESTS_SUPPORT_SHARED_MEMORY_H_

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <type_traits>

namespace espalier::testing {

template <typename T>
class SharedMemory {
 public:
  static_assert(std::is_trivially_destructible_v<T>);

  SharedMemory() {
    void* const memory =
        mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("mmap");
      std::abort();
    }
    object_ = new (memory) T();
  }
  ~SharedMemory() { munmap(object_, sizeof(T)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  T* object_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_SHARED_MEMORY_H_
