// Plays the disk under the files of a directory: the database, its log, and what they are called
// while they are made. It watches them through the seam of engine/os, and finds stores to mappings
// by looking at the files before each call that matters.
//
// What a successful flush covered is durable: of msync its range, of fsync and fdatasync the file,
// of fsync of the directory the names, of a direct write its bytes. Everything else may have
// reached the disk or not (recorded_disk.h).
#ifndef ESPALIER_TESTS_CRASH_CRASH_RECORDER_H_
#define ESPALIER_TESTS_CRASH_CRASH_RECORDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/os/fault_injection.h"
#include "tests/crash/disk_image.h"
#include "tests/crash/recorded_disk.h"

namespace espalier::testing {

// How the disk lies, for canaries.
enum class Lie {
  kNone,
  kDataIsNotFlushed,    // the msync of a checkpoint's pages does nothing
  kSlotIsNotFlushed,    // that of its slot
  kLogIsNotFlushed,     // no flush of the log, or msync of it, does anything
  kDirectIsNotDurable,  // a direct write is in the disk's cache only
  kNamesAreNotFlushed,  // the fsync of the directory does nothing
};

// How the log's bytes get into the file.
enum class LogWay {
  kAsFound,     // past the page cache where the file system can
  kMappedOnly,  // such a file system cannot
};

// The observer of system calls for as long as it lives. Any number of threads may be in the engine.
class CrashRecorder : public os::SystemCallObserver {
 public:
  // Called where the power could fail, with the disk as it is then; nothing else happens to it
  // meanwhile. `where` says what was going on.
  using CrashPoint = std::function<void(std::string_view where, const RecordedDisk& disk)>;

  struct Counts {
    uint64_t data_flushes = 0;  // of the database file, more than a slot
    uint64_t slot_flushes = 0;
    uint64_t direct_writes = 0;
    uint64_t log_flushes = 0;  // of the log's mapping
  };

  // What the directory contains is durable. The path must be canonical.
  CrashRecorder(std::string directory, LogWay log_way, uint64_t seed, CrashPoint crash_point);

  // From now on.
  void set_lie(Lie lie);
  // At one of so many points where the power could fail, by chance, the crash point is called; at
  // none with 0.
  void set_crash_one_in(uint64_t one_in);
  // Is told of each call in the directory before the recorder looks at the files, by one thread at
  // a time. Null: nobody.
  void set_witness(os::SystemCallObserver* witness);
  // The power could fail now.
  void Crash(std::string_view where);

  Counts counts() const;

  int BeforeCall(const os::SystemCall& call) override;
  void AfterCall(const os::SystemCall& call, int result_errno) override;

 private:
  // A direct write that has not returned: the file may still show what was there before.
  struct DirectWrite {
    std::string name;
    uint64_t offset;
    std::span<const uint8_t> data;
  };

  bool IsDirectory(const os::SystemCall& call) const { return call.path == directory_; }
  bool IsOurs(std::string_view path) const;
  std::string NameOf(std::string_view path) const;
  bool RefusesDirect(const os::SystemCall& call);
  bool Lies(const os::SystemCall& call) const;
  void Count(const os::SystemCall& call);
  bool Chosen();
  void CrashDuring(const os::SystemCall& call);
  void LookAtAll();
  void LookAt(const std::string& name);
  void WriteReturned(const os::SystemCall& call, bool done);
  void Flushed(const os::SystemCall& call);

  const std::string directory_;
  const LogWay log_way_;
  const CrashPoint crash_point_;

  mutable std::mutex mutex_;
  RecordedDisk disk_;
  std::map<std::thread::id, Stamp> begun_;  // when the flush began that a thread is in
  std::map<std::thread::id, DirectWrite> direct_writes_;
  std::string mapped_;  // the file that was mapped last
  std::vector<uint8_t> buffer_;
  Counts counts_;
  Lie lie_ = Lie::kNone;
  uint64_t crash_one_in_ = 0;
  os::SystemCallObserver* witness_ = nullptr;
  std::mt19937_64 random_;
  os::ScopedSystemCallObserver observing_{this};
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_CRASH_RECORDER_H_
