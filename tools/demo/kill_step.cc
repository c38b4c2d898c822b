#include "tools/demo/kill_step.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <thread>

#include "tools/cli/interruption.h"
#include "tools/cli/long_work.h"
#include "tools/cli/stopwatch.h"

namespace espalier::tools {
namespace {

using std::chrono::milliseconds;

constexpr int kWriters = 4;
constexpr int kFirstMoment = 50;  // milliseconds of a writer's life
constexpr int kLastMoment = 500;

// What the process that is killed tells the other one, in memory that both share.
struct Ledger {
  struct Writer {
    std::atomic<uint64_t> attempted{0};     // commits, from 1 on
    std::atomic<uint64_t> acknowledged{0};  // of these
  };
  std::array<Writer, kWriters> writers;
  std::array<char, 256> error{};  // why the process ended by itself
};

struct Unmap {
  void operator()(Ledger* ledger) const { munmap(ledger, sizeof(Ledger)); }
};
using SharedLedger = std::unique_ptr<Ledger, Unmap>;

absl::Status SystemError(const std::string& what) {
  return absl::UnavailableError(what + ": " + std::strerror(errno));
}

absl::StatusOr<SharedLedger> MakeLedger() {
  void* const memory =
      mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return SystemError("no shared memory");
  return SharedLedger(new (memory) Ledger);
}

// --- What a writer writes: an entry for each commit, and how many they are.

std::string CounterKey(int writer) { return "newest commit of writer " + std::to_string(writer); }
std::string EntryPrefix(int writer) { return "writer " + std::to_string(writer) + ", commit "; }
std::string EntryKey(int writer, uint64_t number) {
  const std::string digits = std::to_string(number);
  return EntryPrefix(writer) + std::string(12 - digits.size(), '0') + digits;
}
std::string EntryValue(int writer, uint64_t number) {
  return "commit " + std::to_string(number) + " of writer " + std::to_string(writer) +
         ", with some more words to it";
}

absl::StatusOr<uint64_t> ReadCounter(const Transaction& txn, const Keyspace& keyspace, int writer) {
  const absl::StatusOr<std::string_view> value = txn.Get(keyspace, CounterKey(writer));
  if (absl::IsNotFound(value.status())) return 0;
  if (!value.ok()) return value.status();
  return std::strtoull(std::string(*value).c_str(), nullptr, 10);
}

// --- The process that is killed

absl::Status CommitOne(Database& db, int writer, uint64_t number, Durability durability) {
  absl::StatusOr<WriteTransaction> txn = db.BeginWrite({.durability = durability});
  if (!txn.ok()) return txn.status();
  const Keyspace keyspace = db.default_keyspace();
  absl::Status put = txn->Put(keyspace, CounterKey(writer), std::to_string(number));
  put.Update(txn->Put(keyspace, EntryKey(writer, number), EntryValue(writer, number)));
  return put.ok() ? txn->Commit().status() : put;
}

absl::Status CommitForEver(Database& db, int writer, Durability durability, Ledger& ledger) {
  absl::StatusOr<uint64_t> number = 0;
  {
    const absl::StatusOr<ReadTransaction> txn = db.BeginRead();
    if (!txn.ok()) return txn.status();
    number = ReadCounter(*txn, db.default_keyspace(), writer);
    if (!number.ok()) return number.status();
  }
  while (true) {
    ledger.writers[writer].attempted = ++*number;
    if (absl::Status status = CommitOne(db, writer, *number, durability); !status.ok()) {
      return status;
    }
    ledger.writers[writer].acknowledged = *number;
  }
}

// Returns only if something is wrong.
absl::Status RunWriters(const KillOptions& options, Ledger& ledger) {
  absl::StatusOr<Database> db = Database::Open(options.database_path);
  if (!db.ok()) return db.status();
  std::array<absl::Status, kWriters> statuses;
  std::array<std::thread, kWriters> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads[writer] = std::thread(
        [&, writer] { statuses[writer] = CommitForEver(*db, writer, options.durability, ledger); });
  }
  absl::Status result;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads[writer].join();
    result.Update(statuses[writer]);
  }
  return result;
}

// Runs the writers in a process of their own for that long.
absl::Status RunAndKill(const KillOptions& options, milliseconds moment, Ledger& ledger) {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return SystemError("no process for the writer");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody is to write without the demo
    if (getppid() != parent) _exit(1);
    const absl::Status ended = RunWriters(options, ledger);
    ended.message().copy(ledger.error.data(), ledger.error.size() - 1);
    _exit(1);
  }
  std::this_thread::sleep_for(moment);
  kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) != child) {
    if (errno != EINTR) return SystemError("no writer to wait for");
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return absl::OkStatus();
  return absl::InternalError(std::string("the writer ended by itself: ") + ledger.error.data());
}

// --- What is left

struct Found {
  uint64_t commits = 0;
  bool whole = true;  // the commits from the first to the newest, each with all that it wrote
};

absl::StatusOr<Found> LookFor(const Transaction& txn, const Keyspace& keyspace, int writer) {
  Found found;
  Scan scan = txn.Scan(keyspace, KeyRange::Prefix(EntryPrefix(writer)));
  for (const auto& [key, value] : scan) {
    ++found.commits;
    found.whole = found.whole && key == EntryKey(writer, found.commits) &&
                  value == EntryValue(writer, found.commits);
  }
  if (!scan.status().ok()) return scan.status();
  const absl::StatusOr<uint64_t> counter = ReadCounter(txn, keyspace, writer);
  if (!counter.ok()) return counter.status();
  found.whole = found.whole && *counter == found.commits;
  return found;
}

struct Totals {
  uint64_t acknowledged = 0;
  uint64_t found = 0;
  uint64_t lost = 0;
  uint64_t never_attempted = 0;
  uint64_t writers_with_a_mix = 0;
};

absl::Status LookForAll(Database& db, const Ledger& ledger, Totals& totals) {
  const absl::StatusOr<ReadTransaction> txn = db.BeginRead();
  if (!txn.ok()) return txn.status();
  totals.acknowledged = totals.found = 0;
  for (int writer = 0; writer < kWriters; ++writer) {
    const absl::StatusOr<Found> found = LookFor(*txn, db.default_keyspace(), writer);
    if (!found.ok()) return found.status();
    const uint64_t acknowledged = ledger.writers[writer].acknowledged;
    const uint64_t attempted = ledger.writers[writer].attempted;
    totals.acknowledged += acknowledged;
    totals.found += found->commits;
    if (found->commits < acknowledged) totals.lost += acknowledged - found->commits;
    if (found->commits > attempted) totals.never_attempted += found->commits - attempted;
    if (!found->whole) ++totals.writers_with_a_mix;
  }
  return absl::OkStatus();
}

absl::Status OpenAndLook(const KillOptions& options, milliseconds moment, const Ledger& ledger,
                         Totals& totals, DemoReport& report) {
  const uint64_t before = totals.found;
  const Stopwatch opening;
  absl::StatusOr<Database> db = Database::Open(options.database_path);
  if (!db.ok()) return db.status();
  const Seconds duration = opening.Elapsed();
  const absl::StatusOr<Stats> stats = db->GetStats();
  if (!stats.ok()) return stats.status();
  if (absl::Status status = LookForAll(*db, ledger, totals); !status.ok()) return status;
  report.Figure("commits, then killed after " + FormatDuration(moment),
                FormatCount(totals.acknowledged - before),
                "recovered in " + FormatDuration(duration) + ": " +
                    FormatPlural(stats->recovered_transactions, "transaction") + " of the log");
  return db->Close();
}

}  // namespace

absl::Status KillWriters(const KillOptions& options, DemoReport& report) {
  absl::StatusOr<SharedLedger> ledger = MakeLedger();
  if (!ledger.ok()) return ledger.status();
  std::mt19937_64 random(options.seed);
  std::uniform_int_distribution<int> moments(kFirstMoment, kLastMoment);
  const InterruptionWatch watch;
  Totals totals;
  for (int i = 0; i < options.kills; ++i) {
    const milliseconds moment(moments(random));
    absl::Status status = RunAndKill(options, moment, **ledger);
    if (watch.Interrupted()) return LongWork::InterruptedError();
    if (status.ok()) status = OpenAndLook(options, moment, **ledger, totals, report);
    if (!status.ok()) return status;
  }
  report.Figure("seed of the moments", std::to_string(options.seed));
  report.Check("the writers got to work", totals.acknowledged > 0);
  report.Check("each of " + FormatPlural(totals.acknowledged, "acknowledged commit") + " is there",
               totals.lost == 0);
  report.Check("none in part, and none that was never attempted",
               totals.writers_with_a_mix == 0 && totals.never_attempted == 0);
  return absl::OkStatus();
}

}  // namespace espalier::tools
