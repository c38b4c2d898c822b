// Work on a database under the eyes of a recorder: every operation is also done to a model, and the
// power could fail at any point of it.
#ifndef ESPALIER_TESTS_CRASH_CRASH_WORKLOAD_H_
#define ESPALIER_TESTS_CRASH_CRASH_WORKLOAD_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "tests/crash/commit_history.h"
#include "tests/crash/crash_lab.h"
#include "tests/crash/crash_recorder.h"
#include "tests/crash/store_witness.h"

namespace espalier::testing {

enum class Operation {
  kPut,
  kOverwrite,
  kDelete,
  kLargeValue,
  kCreateKeyspace,
  kDropKeyspace,
  kCheckpoint,
  kGrow,    // a transaction of 100 KB
  kShrink,  // most goes, then a checkpoint
  kCompact,
  kReopen,   // closed in order
  kAbandon,  // the process dies
  // Not part of the short sequences:
  kLoggedByReference,  // a value that the log only refers to
  kTooLargeForTheLog,  // values that it would have, were they not too many
  kFillTheLog,         // a third of it
  kChangeAgain,        // a transaction that changes the same few keys again and again
  kAppend,             // so much that the log only refers to it
  kCompressed,         // a value that is stored, and perhaps logged, smaller than it is
  kWriteBatch,
  kWaitDurable,
  kRollBack,
  kHoldReader,  // of the version of now, instead of the one that was held
  kEndReader,
};
constexpr int kShortOperations = 12;
constexpr int kOperations = 23;
std::string_view NameOf(Operation operation);

// Where the database is and how its log is written.
enum class Place {
  kDisk,         // the test's directory, usually on ext4
  kMemory,       // tmpfs
  kMemoryMapped  // tmpfs, as if it had no direct writes
};
std::string_view NameOf(Place place);

// It goes round within a journey.
inline constexpr uint64_t kSmallLogBytes = uint64_t{1} << 20;

class CrashWorkload {
 public:
  struct Setting {
    Place place = Place::kMemory;
    CrashBudget budget = {};
    uint64_t crash_one_in = 1;  // of the points where the power could fail
    bool crash_while_opening = false;
    uint64_t seed = 1;
    uint32_t page_size_bytes = 4096;  // where there is no database to start with
    bool protect_from_stray_stores = false;
    uint64_t log_size_bytes = kSmallLogBytes;
    // Looks at the recorder where the power could fail, instead of the lab.
    StoreWitness* witness = nullptr;
  };

  // Opens the database; creates it if there is none.
  CrashWorkload(CrashLab& lab, const Setting& setting, const std::optional<CrashedDatabase>& start);
  // Lets the database go without closing it.
  ~CrashWorkload();
  CrashWorkload(const CrashWorkload&) = delete;
  CrashWorkload& operator=(const CrashWorkload&) = delete;

  void Perform(Operation operation, Durability durability = Durability::kSync);
  void set_lie(Lie lie) { recorder_.set_lie(lie); }
  void set_crashing(bool crashing) {
    recorder_.set_crash_one_in(crashing ? setting_.crash_one_in : 0);
  }
  void Close();

  // What was wrong first, or nothing.
  std::string problem() const;
  CrashRecorder::Counts counts() const { return recorder_.counts(); }
  const std::string& directory() const { return directory_.path(); }
  const Contents& contents() const { return history_.contents(); }

 private:
  using Change = std::function<absl::Status(WriteTransaction& txn, Contents& after)>;

  void Expect(std::string_view what, const absl::Status& status);
  void Problem(const std::string& problem);
  void CrashPoint(std::string_view where, const RecordedDisk& disk);
  absl::Status Do(Operation operation, Durability durability);
  absl::Status Commit(Durability durability, const Change& change);
  absl::Status Acknowledge(const absl::StatusOr<CommitToken>& token, Durability durability);
  absl::Status Open();
  absl::Status CloseInOrder();
  absl::Status Abandon();
  absl::Status CheckpointEverything();

  absl::Status PutOne(Durability durability, const std::string& key, size_t value_bytes);
  absl::Status PutTooMuch(Durability durability);
  absl::Status DeleteOne(Durability durability);
  absl::Status ChangeAgain(Durability durability);
  absl::Status Append(Durability durability);
  absl::Status PutCompressed(Durability durability);
  absl::Status WriteABatch(Durability durability);
  absl::Status CreateKeyspace(Durability durability);
  absl::Status DropKeyspace(Durability durability);
  absl::Status Grow(Durability durability);
  absl::Status Shrink(Durability durability);
  absl::Status WaitDurable();
  absl::Status RollBack();
  absl::Status HoldReader();
  absl::Status CheckReader();

  size_t SomeBytesByReference();
  std::string NewKey();
  std::string SomeKey();
  std::string RandomValue(size_t bytes);

  CrashLab& lab_;
  const Setting setting_;
  std::mt19937_64 random_;
  const os::TempDir directory_;
  CommitHistory history_;
  mutable std::mutex mutex_;
  std::string problem_;
  uint64_t appended_ = 0;
  std::optional<std::pair<CommitToken, size_t>> last_commit_;
  CrashRecorder recorder_;
  std::optional<Database> db_;
  std::optional<ReadTransaction> reader_;
  Digest held_;  // what the reader sees
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_CRASH_WORKLOAD_H_
