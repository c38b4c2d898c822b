// Loss of power under real file systems: ext4, XFS and btrfs on a block device of which every write
// and flush is recorded. Writers work on it, one of them is killed. Then the device is put together
// as a crash could have left it, after every flush, and with some of the writes between two; the
// kernel mounts it, with its journal; the database opens, verifies, and has everything that was
// acknowledged by then and nothing in part.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/filesystems/block_device.h"
#include "tests/filesystems/commit_marks.h"
#include "tests/filesystems/crashed_disk.h"
#include "tests/filesystems/write_log.h"
#include "tests/kill/check.h"
#include "tests/kill/writer.h"
#include "tests/support/child_process.h"
#include "tests/support/shared_memory.h"

namespace espalier::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kLost[] = "was acknowledged, but";
const std::string kRecorder = "qemu-storage-daemon";

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const chosen = std::getenv(name);
  return chosen != nullptr ? std::stoull(chosen) : otherwise;
}

const FileSystemKind kExt4 = {.name = "ext4",
                              .make = "mkfs.ext4 -q -F",
                              .image_bytes = uint64_t{64} << 20,
                              .sector_bytes = 512};
const FileSystemKind kXfs = {.name = "xfs",
                             .make = "mkfs.xfs -q -f",
                             .image_bytes = uint64_t{300} << 20,
                             .sector_bytes = 512};
const FileSystemKind kBtrfs = {.name = "btrfs",
                               .make = "mkfs.btrfs -q -f",
                               .image_bytes = uint64_t{256} << 20,
                               .sector_bytes = 4096};

unsigned long long Printable(uint64_t number) { return number; }

bool HasTool(const std::string& name) {
  return std::system(absl::StrCat("command -v ", name, " > /dev/null").c_str()) == 0;
}

struct Counts {
  uint64_t prefixes = 0;
  uint64_t samples = 0;
  uint64_t refused = 0;  // the file system itself could not be mounted
  uint64_t violations = 0;
};

// Takes the flush from each direct write of the log: an engine that has forgotten O_DSYNC.
class ForgetsTheFlush : public os::SystemCallObserver {
 public:
  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind != os::SystemCallKind::kWrite || !call.durable) return 0;
    const int fd = open(std::string(call.path).c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
    if (fd == -1 || dup3(fd, call.fd, O_CLOEXEC) == -1) return errno;
    close(fd);
    return 0;
  }

 private:
  os::ScopedSystemCallObserver observing_{this};
};

class FilesystemsTest : public ::testing::Test {
 protected:
  // Once for all tests of the process: mounts of its own, in memory.
  static void SetUpTestSuite() {
    directory_ = std::make_unique<os::TempDir>();
    skip_ = EnterPrivateTmpfs(directory_->path());
  }
  static void TearDownTestSuite() {
    umount2(directory_->path().c_str(), MNT_DETACH);
    directory_.reset();
  }

  // Why there can be no such test here, or nothing.
  static std::string Missing(const FileSystemKind& kind) {
    if (!skip_.empty()) return skip_;
    for (const std::string& tool : {absl::StrCat("mkfs.", kind.name), kRecorder}) {
      if (!HasTool(tool)) return absl::StrCat("there is no ", tool);
    }
    return "";
  }

  static std::string File(const std::string& name) { return directory_->File(name); }

  // An empty file system in a file, and the same once more for the device to change.
  static bool MakeFileSystem(const FileSystemKind& kind) {
    const std::string start = File("start");
    return std::system(absl::StrCat("rm -f ", start, " && truncate -s ", kind.image_bytes, " ",
                                    start, " && ", kind.make, " ", start,
                                    " && fallocate --dig-holes ", start, " && cp --sparse=always ",
                                    start, " ", File("device"), " && cp --sparse=always ", start,
                                    " ", start, ".kept")
                           .c_str()) == 0;
  }

  // Leaves a log of writes, and marks_. Returns what went wrong. Of who is not honest, nothing is
  // checked yet.
  std::string Record(const FileSystemKind& kind, const WriterTask& task, bool honest) {
    if (!MakeFileSystem(kind)) return "mkfs failed";
    const RecordedDevice device(directory_->path(), File("device"), kind.sector_bytes);
    if (!device.problem().empty()) return device.problem();
    const Mount mount(device.path(), kind, File("recorded"));
    if (!mount.ok()) return "not mounted";
    log_fd_ = open(device.log_path().c_str(), O_RDONLY | O_CLOEXEC);
    log_path_ = device.log_path();
    WriterTask here = task;
    here.path = mount.File("db.esp");
    const std::string problems = honest ? TwoLives(here) : Life(here);
    close(log_fd_);
    return problems;
  }

  // The first ends with SIGKILL, the second recovers what it left.
  std::string TwoLives(const WriterTask& task) {
    const std::optional<std::string> killed =
        RunUntilKilled([&] { return RunWriter(Marking(task, task.commits), *ledger_); });
    if (killed.has_value()) return absl::StrCat("was not killed, but ended: ", *killed);
    const std::string problems = CheckInChild(task.path, task.seed, *ledger_, AfterCheck::kAbandon);
    if (!problems.empty()) return problems;
    AllDurable(task.seed);
    return Life(task);
  }

  std::string Life(const WriterTask& task) {
    const std::optional<std::string> ended =
        RunUntilKilled([&] { return RunWriter(Marking(task, kNever), *ledger_); });
    if (ended != "") return absl::StrCat("a writer: ", ended.value_or("killed"));
    AllDurable(task.seed);
    return "";
  }

  // Kills its process when thread 0 has got so far.
  WriterTask Marking(WriterTask task, uint64_t kill_at) {
    task.attempted = [this](const CommitName& name) { marks_->Attempted(name, EntriesSoFar()); };
    task.acknowledged = [this, kill_at](const CommitName& name) {
      if (DurabilityOf(name) == Durability::kSync) marks_->Durable(name, EntriesSoFar());
      if (name.thread == 0 && name.number == kill_at) raise(SIGKILL);
    };
    return task;
  }

  // A close in order, or a recovery, makes everything durable.
  void AllDurable(uint64_t seed) {
    for (int thread = 0; thread < kWriterThreads; ++thread) {
      const Ledger::Thread& ledger = ledger_->threads[static_cast<size_t>(thread)];
      marks_->Durable({seed, thread, ledger.acknowledged}, EntriesSoFar());
    }
  }

  uint64_t EntriesSoFar() const { return WriteLog::EntriesSoFar(log_fd_); }

  // Compares the images with what was acknowledged; stops at so many violations. Returns the first.
  std::string Compare(const FileSystemKind& kind, uint64_t seed, uint64_t violations) {
    const WriteLog log(log_path_);
    CrashedDisk disk(File("start"), File("image"), kind.sector_bytes);
    std::mt19937_64 random(seed);
    std::string first;
    const auto started = std::chrono::steady_clock::now();
    disk.ForEachCrash(log.entries(), FromEnvironment("ESPALIER_SAMPLES", 2), random,
                      [&](const CrashedDisk::Crash& crash) {
                        const std::string problem = CheckImage(kind, crash, seed);
                        if (problem.empty()) return true;
                        if (first.empty()) first = Describe(crash, problem);
                        return ++counts_.violations < violations;
                      });
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
    std::printf(
        "%s: %zu writes and flushes; %llu prefixes and %llu samples in %.0f s, "
        "%llu refused by the file system, %llu violations\n",
        kind.name.c_str(), log.entries().size(), Printable(counts_.prefixes),
        Printable(counts_.samples), taken.count(), Printable(counts_.refused),
        Printable(counts_.violations));
    return first;
  }

  std::string CheckImage(const FileSystemKind& kind, const CrashedDisk::Crash& crash,
                         uint64_t seed) {
    ++(crash.sampled ? counts_.samples : counts_.prefixes);
    const LoopDevice device(crash.image, kind.sector_bytes);
    if (device.path().empty()) return "no loop device";
    const Mount mount(device.path(), kind, File("crashed"));
    if (!mount.ok()) {
      ++counts_.refused;
      return crash.sampled ? "" : "the file system is damaged though nothing was left out";
    }
    marks_->FillLedger(crash.entries, *ledger_);
    return CheckInChild(mount.File("db.esp"), seed, *ledger_,
                        crash.sampled ? AfterCheck::kAbandon : AfterCheck::kClose);
  }

  static std::string Describe(const CrashedDisk::Crash& crash, const std::string& problem) {
    return absl::StrCat(crash.sampled ? "with some of " : "with all of ", crash.entries,
                        " entries:\n", problem);
  }

  // The device cannot be recorded a second time, but put together again.
  void KeepForInspection() const {
    const char* const outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
    if (outputs == nullptr) return;
    const std::string copy =
        absl::StrCat("cp --sparse=always ", File("start"), ".kept ", log_path_, " ", outputs);
    std::printf("%s: %s\n", copy.c_str(), std::system(copy.c_str()) == 0 ? "kept" : "failed");
  }

  void ExpectNoViolation(const FileSystemKind& kind) {
    if (const std::string missing = Missing(kind); !missing.empty()) GTEST_SKIP() << missing;
    const uint64_t seed = TestSeed();
    const uint64_t commits = FromEnvironment("ESPALIER_COMMITS", 24);
    ASSERT_EQ(Record(kind, {.path = "", .seed = seed, .commits = commits}, true), "");
    EXPECT_EQ(Compare(kind, seed, 10), "");
    if (HasFailure()) KeepForInspection();
    EXPECT_GE(counts_.prefixes, commits) << "too little is tested";
    EXPECT_GE(counts_.samples, commits) << "too little is tested";
    EXPECT_LT(counts_.refused, 1 + counts_.samples / 10) << "too little is tested";
  }

  // For canaries: what is found.
  std::string Find(Dishonesty dishonesty) {
    const uint64_t seed = TestSeed();
    const std::string problem =
        Record(kExt4, {.path = "", .seed = seed, .commits = 8, .dishonesty = dishonesty}, false);
    return problem.empty() ? Compare(kExt4, seed, 1) : problem;
  }

 private:
  static constexpr uint64_t kNever = 0;

  SharedMemory<CommitMarks> marks_;
  SharedMemory<Ledger> ledger_;
  int log_fd_ = -1;
  std::string log_path_;
  Counts counts_;

  static std::unique_ptr<os::TempDir> directory_;
  static std::string skip_;
};

std::unique_ptr<os::TempDir> FilesystemsTest::directory_;
std::string FilesystemsTest::skip_;

TEST_F(FilesystemsTest, Ext4) { ExpectNoViolation(kExt4); }
TEST_F(FilesystemsTest, Xfs) { ExpectNoViolation(kXfs); }
TEST_F(FilesystemsTest, Btrfs) { ExpectNoViolation(kBtrfs); }

TEST_F(FilesystemsTest, FindsAnAcknowledgementThatCameEarly) {
  if (const std::string missing = Missing(kExt4); !missing.empty()) GTEST_SKIP() << missing;
  EXPECT_THAT(Find(Dishonesty::kAcknowledgesEarly), HasSubstr(kLost));
}

TEST_F(FilesystemsTest, FindsCommitsThatWereNotLogged) {
  if (const std::string missing = Missing(kExt4); !missing.empty()) GTEST_SKIP() << missing;
  EXPECT_THAT(Find(Dishonesty::kDoesNotLog), HasSubstr(kLost));
}

TEST_F(FilesystemsTest, FindsAFlushThatIsMissing) {
  if (const std::string missing = Missing(kExt4); !missing.empty()) GTEST_SKIP() << missing;
  const ForgetsTheFlush forgets;
  EXPECT_THAT(Find(Dishonesty::kNone), HasSubstr(kLost));
}

}  // namespace
}  // namespace espalier::testing
