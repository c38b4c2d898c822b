#include "tests/fault/life.h"

#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "tests/support/child_process.h"

namespace espalier::testing {
namespace {

// Far more than a life takes.
constexpr unsigned kPatienceSeconds = 20;

// One open handle.
class Session {
 public:
  Session(const std::string& path, LifeState& state, std::string& problems)
      : state_(state), problems_(problems) {
    session_ = ++state_.history.session;
    state_.faults.flush_failed.store(false);
    absl::StatusOr<Database> opened = Database::Open(path, LifeOptions());
    if (Note(opened.status())) {
      db_ = std::make_unique<Database>(*std::move(opened));
    } else {
      // A flush that failed was answered by its error.
      state_.faults.flush_failed.store(false);
    }
  }

  void Commit(int number) {
    if (db_ == nullptr) return;
    History::Commit& commit = state_.history.commits[static_cast<size_t>(number)];
    commit.session = session_;
    commit.outcome = Outcome::kRefused;
    if (!Note(CommitOrFail(number, commit))) return;
    commit.outcome = Outcome::kAcknowledged;
    last_acknowledged_ = number;
  }

  void Checkpoint() {
    if (db_ != nullptr && Note(db_->Checkpoint())) NoteCheckpoint();
  }
  void Compact() {
    if (db_ != nullptr) Note(db_->Compact().status());
  }

  void Close() {
    if (db_ == nullptr) return;
    CheckUse();
    absl::Status closed = db_->Close();
    Note(closed);
    // A full disk leaves it open.
    if (absl::IsResourceExhausted(closed)) closed = db_->Close();
    if (closed.ok()) NoteCheckpoint();
    db_ = nullptr;
  }

  // As a process does that dies.
  void Abandon() {
    if (db_ == nullptr) return;
    CheckUse();
    static_cast<void>(db_.release());
  }

 private:
  bool Note(const absl::Status& status) {
    if (status.ok()) return true;
    ++state_.errors;
    if (first_error_.ok() && state_.faults.flush_failed.load()) first_error_ = status;
    return false;
  }

  absl::Status CommitOrFail(int number, History::Commit& commit) {
    WriteOptions options;
    options.durability = DurabilityOfCommit(number);
    ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db_->BeginWrite(options));
    ESPALIER_RETURN_IF_ERROR(PerformCommit(txn, db_->default_keyspace(), number));
    commit.outcome = Outcome::kFailed;
    return txn.Commit().status();
  }

  void NoteCheckpoint() {
    for (History::Commit& commit : state_.history.commits) {
      if (commit.session == session_) commit.checkpoint_followed = true;
    }
  }

  // INV-9. What was committed can be read in any case.
  void CheckUse() {
    if (state_.faults.flush_failed.load()) {
      const absl::Status write = db_->BeginWrite().status();
      if (write.ok()) {
        problems_ += "a flush failed, but the handle is not poisoned\n";
      } else if (!first_error_.ok() && write.code() != first_error_.code()) {
        absl::StrAppend(&problems_, "the first error was ", first_error_.ToString(), ", then came ",
                        write.ToString(), "\n");
      }
    }
    if (last_acknowledged_ < 0) return;
    const auto read = db_->Get(db_->default_keyspace(), MarkerOf(last_acknowledged_));
    if (!read.ok()) {
      absl::StrAppend(&problems_, "reading does not go on: ", read.status().ToString(), "\n");
    }
  }

  LifeState& state_;
  std::string& problems_;
  int session_ = 0;
  int last_acknowledged_ = -1;
  absl::Status first_error_;
  std::unique_ptr<Database> db_;
};

}  // namespace

Options LifeOptions() {
  // It grows by 1 MiB at a time, and this life comes behind the first.
  Options options;
  options.log_size_bytes = uint64_t{2} << 20;
  return options;
}

std::string LiveFirst(const std::string& path, const Fault& fault, LifeState& state) {
  return InChild([&] {
    alarm(kPatienceSeconds);
    std::string problems;
    const FaultyCalls calls(fault, &state.faults);
    {
      Session created(path, state, problems);
      for (int i = 0; i < 8; ++i) created.Commit(i);
      created.Checkpoint();
      created.Compact();
      // The log asks for a checkpoint of its own accord.
      for (int i = 10; i < 58; i += 8) created.Commit(i);
      created.Close();
    }
    Session reopened(path, state, problems);
    for (int i = 58; i < 62; ++i) reopened.Commit(i);
    reopened.Abandon();
    return problems;
  });
}

std::string LiveSecond(const std::string& path, const Fault& fault, LifeState& state) {
  return InChild([&] {
    alarm(kPatienceSeconds);
    std::string problems;
    const FaultyCalls calls(fault, &state.faults);
    Session recovered(path, state, problems);
    for (int i = 62; i < 64; ++i) recovered.Commit(i);
    recovered.Close();
    return problems;
  });
}

}  // namespace espalier::testing
