// Plays the disk under a database file: knows what of the file would survive a power loss, and
// makes the images that could be found after one.
//
// It watches the file through the seam of engine/os. What a successful flush covered is durable;
// any page that changed since may have reached the disk or not, in its newest or an earlier state,
// and torn at sectors of 512 bytes. That includes the checkpoint slots, and the file's size.

#ifndef ESPALIER_TESTS_CRASH_CRASH_RECORDER_H_
#define ESPALIER_TESTS_CRASH_CRASH_RECORDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/os/fault_injection.h"
#include "tests/hostile/memory_file.h"

namespace espalier::testing {

// How the disk lies, for canaries.
enum class Lie {
  kNone,
  kDataIsNotFlushed,  // the msync of a checkpoint's pages does nothing
  kSlotIsNotFlushed,  // that of its slot
};

// The observer of system calls for as long as it lives. One thread.
class CrashRecorder : public os::SystemCallObserver {
 public:
  // Called where the power could fail. `where` says what was going on.
  using CrashPoint = std::function<void(std::string_view where)>;

  // The file's present content is durable.
  CrashRecorder(const MemoryFile& file, Lie lie, CrashPoint crash_point);
  ~CrashRecorder() override;
  CrashRecorder(const CrashRecorder&) = delete;
  CrashRecorder& operator=(const CrashRecorder&) = delete;

  // Looks at what has changed in the file; between calls of the engine, for instance.
  void Sample();

  // Calls `function` with images of the file after a crash now: all subsets of the dirty pages if
  // these are at most `limit` images, otherwise `limit` random ones; and torn ones.
  void ForEachImage(std::mt19937_64& random, size_t limit,
                    const std::function<void(const Bytes& image)>& function);

  size_t dirty_pages() const { return pending_.size(); }

  // The version of the newest slot whose flush succeeded, and of one that was written since.
  uint64_t durable_version() const { return durable_version_; }
  std::optional<uint64_t> written_version() const { return written_version_; }

  // Flushes that covered more than a slot, and those of slots.
  int data_flushes() const { return data_flushes_; }
  int slot_flushes() const { return slot_flushes_; }

  int BeforeCall(const os::SystemCall& call) override;
  void AfterCall(const os::SystemCall& call, int result_errno) override;

  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint64_t kSectorBytes = 512;

 private:
  using Page = std::vector<uint8_t>;

  bool IsOurs(const os::SystemCall& call) const { return call.path == file_.path(); }
  void Flushed(uint64_t offset, uint64_t length);
  Page PageOf(const Bytes& bytes, uint64_t page) const;

  const MemoryFile& file_;
  const Lie lie_;
  const CrashPoint crash_point_;

  Bytes durable_;
  Bytes latest_;
  // The states of each page since it was flushed, oldest first.
  std::map<uint64_t, std::vector<Page>> pending_;
  // Likewise of the file's size.
  std::vector<uint64_t> pending_sizes_;

  uint64_t durable_version_;
  std::optional<uint64_t> written_version_;
  uint64_t written_slot_ = 0;
  int data_flushes_ = 0;
  int slot_flushes_ = 0;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_CRASH_RECORDER_H_
