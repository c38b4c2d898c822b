// A file mapped once, for good: a range of addresses larger than the file, whose bytes become valid
// as the file grows, so that growth changes no mapping (INV-7).
//
//   read_base()                        end of file            read_base() + capacity_bytes()
//   |<---- bytes of the file ---------->|<---- reserved: touching it is a fault ---->|
//
// Access past the end of the file, or to blocks that the device refuses to read, raises no signal
// to the process: it reads as zeros, and faulted() is true from then on (engine/os/sigbus.h).
// Whoever publishes or flushes must ask faulted().
//
// In a fork child the range is not mapped (MADV_DONTFORK); a Mapping may be destroyed there, no
// more. Offsets and lengths are in bytes, need no alignment (they are widened to whole host pages)
// and must lie within capacity_bytes(). All calls are thread-safe but destruction.

#ifndef ESPALIER_ENGINE_OS_MAPPING_H_
#define ESPALIER_ENGINE_OS_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/os/file.h"
#include "engine/os/sigbus.h"

namespace espalier::os {

// Page faults of the calling thread so far that had to wait for a device.
uint64_t MajorFaults();

// kPrivate: stores go to copies of the pages that only this mapping shows (MAP_PRIVATE).
enum class Access { kReadOnly, kReadWrite, kPrivate };

// The host's page size, which is what the kernel maps, faults and counts in.
size_t HostPageBytes();

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kUnderThreadSanitizer = true;
#elif defined(__has_feature)
inline constexpr bool kUnderThreadSanitizer = __has_feature(thread_sanitizer);
#else
inline constexpr bool kUnderThreadSanitizer = false;
#endif

class Mapping {
 public:
  // Maps `file` shared from offset 0 over `reserve_bytes` > 0 of addresses (rounded up to whole
  // host pages). The file may be shorter, and may be closed afterwards. With `separate_read_view`,
  // a kReadWrite mapping has a second, read-only view, so that a stray store through read_base()
  // crashes instead of corrupting. kResourceExhausted if the address space is refused (RLIMIT_AS).
  static absl::StatusOr<std::unique_ptr<Mapping>> Map(const File& file, size_t reserve_bytes,
                                                      Access access, bool separate_read_view);

  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Room to grow for most: 1 TiB. ThreadSanitizer leaves the program 1.5 TiB of addresses, for all
  // its databases and both their views: 64 GiB.
  static constexpr size_t DefaultReservation() {
    return kUnderThreadSanitizer ? size_t{1} << 36 : size_t{1} << 40;
  }

  // The name for messages, after a rename. Not while other threads use this mapping.
  void set_path(std::string path) { path_ = std::move(path); }

  size_t capacity_bytes() const { return capacity_bytes_; }
  const uint8_t* read_base() const { return read_base_; }
  // nullptr for kReadOnly; the same as read_base() without a separate read view.
  uint8_t* write_base() const { return write_base_; }

  // kPrivate: puts memory, which reads as zeros, over the range, in the place of whatever of the
  // file is there or may come to be there. Multiples of the host's page. kResourceExhausted.
  absl::Status ExtendPrivately(size_t offset, size_t length);

  // Flushes the range's dirty pages and the file's size to the device: one msync(MS_SYNC), never
  // retried (INV-9). kDataLoss if the mapping has faulted, even if msync went well.
  // kFailedPrecondition but for kReadWrite.
  absl::Status Sync(size_t offset, size_t length);

  // Takes the range out of the writable view's page tables, at once: the pages stay in the page
  // cache, and the next access maps them again, some at a time. A flush makes each page clean that
  // is mapped and dirty, and interrupts every processor that runs this process to tell it so: page
  // by page, which costs more than all the rest. Nothing where it is refused, with kPrivate, or for
  // what lies behind the mapping.
  void DropTranslations(size_t offset, size_t length);

  // Starts to read the range in, without waiting. Advice: refusal costs only time.
  void Prefetch(size_t offset, size_t length) const;

  // Makes the range present, for reading through read_base() or storing through write_base(), so
  // that no fault interrupts that later. An error where a touch would raise SIGBUS: kInternal (past
  // the end of the file: EFAULT; the device: EIO, EHWPOISON), kResourceExhausted (memory).
  // kUnimplemented before Linux 5.14. PopulateWrite is for kReadWrite only (kFailedPrecondition).
  absl::Status PopulateRead(size_t offset, size_t length) const;
  absl::Status PopulateWrite(size_t offset, size_t length);

  // Whether the page cache has the range's pages: for as many bytes from its start as are alike.
  // Advice, too: where the kernel does not tell, it has all of them.
  struct Cached {
    bool cached;
    size_t length;
  };
  Cached CachedFrom(size_t offset, size_t length) const;

  // Sees to it that a store to the range does not make the kernel write what lies around it: a page
  // cache folio that the range shares with other clean pages is split. What cannot be split (it is
  // being written, or other processes have it mapped) stays. Reads the first and the last page.
  void Separate(size_t offset, size_t length) const;

  // True once an access to this mapping has faulted; stays true. One relaxed load.
  bool faulted() const { return guard_.faulted(); }
  // The smallest range of the file that covers all faults so far; length 0 if there were none.
  os::FaultedRange FaultedRange() const { return guard_.faulted_range(); }

 private:
  Mapping(const File& file, size_t capacity_bytes);

  absl::StatusOr<uint8_t*> MapView(const File& file, int protection, int flags);
  absl::Status Populate(const uint8_t* base, size_t offset, size_t length, int advice,
                        std::string_view operation) const;
  void Advise(const uint8_t* base, size_t offset, size_t length, int advice) const;

  // Constant after Map, but for the name.
  std::string path_;
  const size_t capacity_bytes_;
  const uint32_t fork_generation_;
  const uint8_t* read_base_ = nullptr;
  uint8_t* write_base_ = nullptr;
  bool shared_ = true;

  FaultGuard guard_;
};

// Maps as Mapping::Map does, `wanted_bytes` if it can be had; where the address space is scarce
// (RLIMIT_AS), a modest multiple of `minimum_bytes`, then exactly that. kResourceExhausted, naming
// RLIMIT_AS, if that is refused too.
absl::StatusOr<std::unique_ptr<Mapping>> MapWithFallback(const File& file, size_t wanted_bytes,
                                                         size_t minimum_bytes, Access access,
                                                         bool separate_read_view);

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_MAPPING_H_
