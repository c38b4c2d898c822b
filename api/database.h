// Espalier: an embedded, ordered, transactional key-value store in one memory-mapped file.
//
//   absl::StatusOr<espalier::Database> db = espalier::Database::Open("/var/lib/app/data.esp");
//   if (!db.ok()) return db.status();
//   espalier::WriteTransaction txn = *db->BeginWrite();
//   txn.Put(db->default_keyspace(), "key", "value").IgnoreError();
//   if (auto token = txn.Commit(); !token.ok()) return token.status();
//
// Errors are statuses. Any call that is not noexcept may throw std::bad_alloc when memory runs out;
// nothing else is thrown. A call that has thrown has leaked nothing, and left the handle usable and
// the database whole:
//   - A commit that threw has left no trace, and its transaction has ended. Checkpoint(), Compact()
//     and Close() may have done a part of their work, which no reader can see.
//   - A change within a WriteTransaction may be half done. The transaction refuses further changes
//     and Commit() with kAborted, and is to be dropped; what it reads is unspecified.
//   - A cursor must be positioned anew.
//   - Write() may do the work of several threads in one of them: it gives kResourceExhausted to
//     those for whom there was no memory, and commits the others' batches.
#ifndef ESPALIER_API_DATABASE_H_
#define ESPALIER_API_DATABASE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "espalier/cursor.h"
#include "espalier/export.h"
#include "espalier/keyspace.h"
#include "espalier/options.h"
#include "espalier/progress.h"
#include "espalier/stats.h"
#include "espalier/transaction.h"
#include "espalier/write_batch.h"

namespace espalier {

namespace txn {
class Engine;
enum class Durability;
}  // namespace txn

struct CompactResult {
  uint64_t file_bytes_before = 0;
  uint64_t file_bytes_after = 0;
};

// Thread-safe: any number of threads may call any member at once, Close() and the destructor
// excepted. Movable, not copyable.
class ESPALIER_EXPORT Database {
 public:
  // Opens the file at `path`, or creates it. Errors:
  //   kNotFound            no such file (or directory)
  //   kAlreadyExists       the same file is already open in this process
  //   kUnavailable         another process has it open
  //   kPermissionDenied    no permission, read-only file or directory
  //   kInvalidArgument     a directory, a bad option, not an Espalier database
  //   kUnimplemented       a format version that this library does not know
  //   kDataLoss            an Espalier database that is damaged: truncated, both slots invalid
  //   kResourceExhausted   no space on the device, or no address space
  //   kInternal            the device failed (EIO), or another system call did
  //   kCancelled           Options::recovery_progress said so
  static absl::StatusOr<Database> Open(const std::string& path, const Options& options = {});

  // A database in anonymous memory (a memfd); it is gone when the handle goes.
  static absl::StatusOr<Database> OpenInMemory(const Options& options = {});

  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  // Like Close(), its status dropped. Transactions that still live keep the engine alive behind the
  // handle until the last of them ends; the closing checkpoint is then not taken.
  ~Database();

  // Takes a checkpoint, gives the free tail of the file back and closes it. kFailedPrecondition
  // while transactions are open, kResourceExhausted where the disk has no room for the checkpoint.
  // After an error the database stays open, and Close() may be called again; only if a flush has
  // failed is it closed.
  absl::Status Close();

  // Begins a transaction on the newest committed version. Wait-free.
  absl::StatusOr<ReadTransaction> BeginRead();

  // Begins the write transaction; waits while another one is open. A thread that asks for a second
  // one while it holds the first waits for ever; the same holds for whatever else changes the
  // database (Write(), Update() and the members that are one transaction each), and for
  // Checkpoint(), Compact(), Verify(), and WaitDurable() where it takes a checkpoint, which need
  // the writer's place for a moment. kFailedPrecondition on a handle that only reads, and where the
  // first logged transaction finds a `NAME-wal` that is not this database's.
  absl::StatusOr<WriteTransaction> BeginWrite(const WriteOptions& options = {});
  // Waits until `deadline` at most, then kDeadlineExceeded.
  absl::StatusOr<WriteTransaction> TryBeginWrite(std::chrono::steady_clock::time_point deadline,
                                                 const WriteOptions& options = {});

  // Commits a batch: all of its changes or none. Batches that wait at the same time, from other
  // threads, are applied together by one of them, as one version with one flush; one that fails
  // leaves the others untouched. kInvalidArgument for a bad key or a handle of another database,
  // kNotFound for a keyspace that is not there.
  absl::StatusOr<CommitToken> Write(const WriteBatch& batch, const WriteOptions& options = {});

  // Runs `function` in a write transaction, on the calling thread, and commits it if it returns OK;
  // else drops it and returns that status.
  absl::StatusOr<CommitToken> Update(const std::function<absl::Status(WriteTransaction&)>& function,
                                     const WriteOptions& options = {});

  // Returns once the commit that gave the token is durable: at once for kSync, after a flush of the
  // log (shared with others) for kAsync, after a checkpoint for kCheckpoint. kInvalidArgument for a
  // version that was not committed yet.
  absl::Status WaitDurable(const CommitToken& token);

  // The keyspace with the empty name, which every database has.
  Keyspace default_keyspace() const;

  // One transaction each.
  absl::StatusOr<std::string> Get(const Keyspace& keyspace, std::string_view key);
  absl::StatusOr<CommitToken> Put(const Keyspace& keyspace, std::string_view key,
                                  std::string_view value);
  absl::StatusOr<bool> Delete(const Keyspace& keyspace, std::string_view key);
  absl::StatusOr<uint64_t> Count(const Keyspace& keyspace, const KeyRange& range = KeyRange::All());
  absl::StatusOr<Keyspace> OpenKeyspace(std::string_view name);
  absl::StatusOr<Keyspace> OpenOrCreateKeyspace(std::string_view name,
                                                const KeyspaceOptions& options = {});
  absl::Status DropKeyspace(const Keyspace& keyspace);

  // Makes everything committed so far durable: the data is flushed, then the checkpoint slot.
  // Readers and writers go on meanwhile. Also gives free space back to the file system,
  // but for about as much as this checkpoint wrote: the next one will need that. The first flush
  // that fails poisons the handle: later writes return its error, reads go on.
  absl::Status Checkpoint();

  // Repacks the trees in key order and moves pages towards the start of the file, in small steps
  // between which other writers get their turn, then gives the tail back. Readers go on; pages that
  // they see stay until they end.
  absl::StatusOr<CompactResult> Compact(const ProgressCallback& progress = {});

  // Writes a copy of the newest version, in packed form, to a new database at `path`
  // (kAlreadyExists if there is a file). Readers and writers go on.
  absl::Status CopyTo(const std::string& path, const ProgressCallback& progress = {});

  // Reads the whole file again: every checksum, every structural bound, key order, every count, and
  // that reachable, waiting and free pages are all the pages; and the log. Faults are in the
  // report, not in the status. Readers and writers go on.
  absl::StatusOr<VerifyReport> Verify(const ProgressCallback& progress = {});

  absl::StatusOr<Stats> GetStats() const;

  // The largest key of this database: 1,978 bytes at 4 KiB pages, more with larger ones.
  size_t MaxKeyBytes() const;

  const std::string& path() const;

 private:
  explicit Database(txn::Engine* engine) : engine_(engine) {}
  // OK if there is an engine behind the handle, which is not so after a move.
  absl::Status CheckHandle() const;
  txn::Durability DurabilityOf(const WriteOptions& options) const;
  absl::StatusOr<WriteTransaction> BeginWriteUntil(
      std::optional<std::chrono::steady_clock::time_point> deadline, const WriteOptions& options);
  txn::Engine* engine_;
};

}  // namespace espalier

#endif  // ESPALIER_API_DATABASE_H_
