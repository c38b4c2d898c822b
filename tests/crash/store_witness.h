// Asks the kernel which pages of the files in a directory were stored to through a shared mapping,
// and holds a crash recorder to it, which finds stores by comparing files. The kernel notes the
// first store to each page since it was asked last (userfaultfd with asynchronous write protection,
// PAGEMAP_SCAN; Linux 6.7 and later, files in tmpfs).
//
// What must hold whenever the recorder has looked at all files:
// - of each page that was stored to it has the bytes that are there; so no store went unseen;
// - each page that it found changed was stored to, or written by a system call;
// - nobody stores to a file that it does not have.
#ifndef ESPALIER_TESTS_CRASH_STORE_WITNESS_H_
#define ESPALIER_TESTS_CRASH_STORE_WITNESS_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/os/fault_injection.h"
#include "tests/crash/disk_image.h"
#include "tests/crash/recorded_disk.h"

namespace espalier::testing {

// The recorder serialises the calls.
class StoreWitness : public os::SystemCallObserver {
 public:
  // Of pages, each counted once a look.
  struct Counts {
    uint64_t looks = 0;
    uint64_t stored = 0;   // the kernel saw stores
    uint64_t changed = 0;  // the recorder found other bytes; of these:
    uint64_t by_call = 0;  // only system calls wrote there
    // Of those stored to, the recorder had older bytes: another thread stored after its look. It
    // must have them the next time.
    uint64_t later = 0;
  };

  StoreWitness();
  ~StoreWitness() override;
  StoreWitness(const StoreWitness&) = delete;
  StoreWitness& operator=(const StoreWitness&) = delete;

  // Why there is no such thing here, or nothing.
  static std::string Unavailable();

  // In tmpfs; the path must be canonical.
  void Watch(std::string directory) { directory_ = std::move(directory); }

  int BeforeCall(const os::SystemCall& call) override;
  void AfterCall(const os::SystemCall& call, int result_errno) override;
  // The recorder has just looked at all files.
  void Look(const RecordedDisk& disk);

  const Counts& counts() const { return counts_; }
  // What was wrong first, or nothing.
  const std::string& problem() const { return problem_; }

 private:
  // A file keeps its number when it gets another name.
  using FileNumber = ino_t;
  using Pages = std::set<uint64_t>;

  struct PageRange {
    uint64_t begin;
    uint64_t end;
  };
  struct WatchedFile {
    FileImage seen;  // as the recorder saw it last
    bool is_new = true;
    Pages stored;                   // since the last look
    Pages later;                    // at the last look, but after the recorder's
    std::vector<PageRange> called;  // written by system calls since the last look
  };
  // A shared mapping that can be stored to.
  struct View {
    uint64_t begin;
    uint64_t end;
    uint64_t file_offset;
    FileNumber file;
  };

  std::vector<View> Views() const;
  void NoteCall(const os::SystemCall& call);
  void Protect(const View& view);
  // Adds the pages that were stored to since the last scan.
  void Scan();
  void ScanView(const View& view);
  void LookAt(const std::string& name, const FileImage& latest, WatchedFile& file);
  void CompareStored(const std::string& name, const FileImage& latest, WatchedFile& file);
  void CompareChanged(const std::string& name, const FileImage& latest, const WatchedFile& file);
  void Problem(std::string_view what, const std::string& name, uint64_t page);

  int fault_fd_ = -1;
  int pagemap_fd_ = -1;
  std::string directory_;
  std::map<FileNumber, WatchedFile> files_;
  Counts counts_;
  std::string problem_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_STORE_WITNESS_H_
