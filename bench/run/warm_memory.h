// Memory that the host has backed already, for the engines to take while they are measured.
//
// Under free page reporting a virtual machine hands its free memory back to the host, and whoever
// uses it next waits for the host: 12 microseconds for 4 KiB instead of a fraction of one, which
// hits whichever engine happens to take such memory. So the benchmark owns touched memory, and
// while a figure is taken gives back as much of it as free memory shrinks; the kernel hands out
// first what was freed last.
#ifndef ESPALIER_BENCH_RUN_WARM_MEMORY_H_
#define ESPALIER_BENCH_RUN_WARM_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>

namespace espalier::bench {

class WarmMemory {
 public:
  // Takes nothing where memory is short, and then does nothing.
  WarmMemory();
  ~WarmMemory();
  WarmMemory(const WarmMemory&) = delete;
  WarmMemory& operator=(const WarmMemory&) = delete;

  // Between the two no process may be forked.
  void StartSupply();
  void StopSupply();  // takes back what it gave

  size_t bytes() const { return bytes_; }

 private:
  void Supply();
  void Give(size_t bytes);
  void Touch(size_t begin, size_t end);

  uint8_t* memory_ = nullptr;
  size_t bytes_ = 0;
  size_t given_ = 0;  // of them, from the front
  std::atomic<bool> supplying_{false};
  std::optional<std::thread> supplier_;
};

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_RUN_WARM_MEMORY_H_
