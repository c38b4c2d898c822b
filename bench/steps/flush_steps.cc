#include "bench/steps/flush_steps.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "bench/adapters/die.h"
#include "bench/steps/stopwatch.h"

namespace espalier::bench {
namespace {

constexpr size_t kBlockBytes = 4096;
constexpr size_t kFileBytes = size_t{64} << 20;

struct alignas(kBlockBytes) Block {
  char bytes[kBlockBytes];
};

std::string FlushFile(const Workbench& bench) { return bench.options.directory + "/flush"; }

void Check(bool succeeded, std::string_view doing) {
  if (!succeeded) Die("device", doing, std::strerror(errno));
}

// Writes one block at an offset, from memory that is aligned for direct writes, and returns once
// the device has it; false where this cannot be done here.
using Flush = std::function<bool(const Block&, size_t offset)>;

double FlushRate(const StepOptions& options, const Flush& flush) {
  Random random(options.seed);
  static Block block;
  size_t offset = 0;
  const auto append = [&] {
    std::memset(block.bytes, static_cast<int>(random.Below(256)), sizeof block.bytes);
    if (!flush(block, offset)) return false;
    offset = (offset + kBlockBytes) % kFileBytes;
    return true;
  };
  if (!append()) return 0;
  return WarmRatePerSecond(options.warmup_seconds, options.seconds, [&] {
    Check(append(), "flush");
    return 1;
  });
}

// By writes to a descriptor that was opened with `flags`.
double FlushRateOfWrites(const Workbench& bench, const StepOptions& options, int flags,
                         int write_flags, bool with_fdatasync) {
  const int fd = open(FlushFile(bench).c_str(), O_WRONLY | O_CLOEXEC | flags);
  if (fd < 0 && errno == EINVAL) return 0;
  Check(fd >= 0, "open");
  const double rate = FlushRate(options, [&](const Block& block, size_t offset) {
    const iovec part{.iov_base = const_cast<char*>(block.bytes), .iov_len = sizeof block.bytes};
    return pwritev2(fd, &part, 1, static_cast<off_t>(offset), write_flags) ==
               static_cast<ssize_t>(sizeof block.bytes) &&
           (!with_fdatasync || fdatasync(fd) == 0);
  });
  close(fd);
  return rate;
}

}  // namespace

double MakeFlushFile(Workbench& bench, const StepOptions&) {
  const int fd =
      open(FlushFile(bench).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  Check(fd >= 0, "open");
  Check(posix_fallocate(fd, 0, kFileBytes) == 0, "posix_fallocate");
  const std::string bytes(kFileBytes, 'f');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t size = write(fd, bytes.data() + done, bytes.size() - done);
    Check(size > 0, "write");
    done += static_cast<size_t>(size);
  }
  Check(fsync(fd) == 0, "fsync");
  close(fd);
  return 0;
}

double FlushByFdatasync(Workbench& bench, const StepOptions& options) {
  return FlushRateOfWrites(bench, options, 0, 0, true);
}

double FlushByRwfDsync(Workbench& bench, const StepOptions& options) {
  return FlushRateOfWrites(bench, options, 0, RWF_DSYNC, false);
}

double FlushByDirectAndFdatasync(Workbench& bench, const StepOptions& options) {
  return FlushRateOfWrites(bench, options, O_DIRECT, 0, true);
}

double FlushByDirectDsync(Workbench& bench, const StepOptions& options) {
  return FlushRateOfWrites(bench, options, O_DIRECT | O_DSYNC, 0, false);
}

double FlushByMsync(Workbench& bench, const StepOptions& options) {
  const int fd = open(FlushFile(bench).c_str(), O_RDWR | O_CLOEXEC);
  Check(fd >= 0, "open");
  void* const mapping = mmap(nullptr, kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  Check(mapping != MAP_FAILED, "mmap");
  const double rate = FlushRate(options, [&](const Block& block, size_t offset) {
    char* const page = static_cast<char*>(mapping) + offset;
    std::memcpy(page, block.bytes, sizeof block.bytes);
    return msync(page, sizeof block.bytes, MS_SYNC) == 0;
  });
  munmap(mapping, kFileBytes);
  close(fd);
  return rate;
}

}  // namespace espalier::bench
