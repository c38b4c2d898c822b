// Options of a database and of a keyspace: what can be chosen, what it costs, what is the default.
#ifndef ESPALIER_API_OPTIONS_H_
#define ESPALIER_API_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "espalier/progress.h"

namespace espalier {

// What a commit waits for, and so what can take it away again. See docs/durability.md.
enum class Durability {
  // Commit() returns once the change survives loss of power: one flush, shared with whoever commits
  // at the same time. Nobody sees the change before, but for a write transaction that begins during
  // the flush, which cannot commit before it.
  kSync,
  // Commit() returns once the change is visible and survives the death of the process. Loss of
  // power may take the last of these commits, never one in the middle.
  kAsync,
  // The change is visible, and durable with the next checkpoint; the death of the process takes it,
  // too. For data that can be made again, and for bulk loads: no log is written. The next commit
  // of another kind takes a checkpoint.
  kCheckpoint,
};

struct Options {
  // Create the database when there is no file at the path. Without it a missing file is kNotFound.
  bool create_if_missing = true;

  // Open for reading only: nothing is ever written, BeginWrite() answers kFailedPrecondition, and a
  // missing file is kNotFound whatever create_if_missing says.
  bool read_only = false;

  // Size of a page in bytes: 4096, 8192, 16384, 32768 or 65536. Used when the file is created and
  // stored in it; an existing file keeps its own. Larger pages admit larger keys (see
  // Database::MaxKeyBytes) and make small writes dearer, since a page is what is copied on write.
  uint32_t page_size_bytes = 4096;

  // Verify the checksum of every page when it is first touched through this handle (XXH3, about
  // 0.3 us a 4 KiB page, once). The structural bounds of a page are verified in any case.
  bool verify_checksums = true;

  // Read through a mapping of its own that is write-protected, so that a stray store of the program
  // through a view cannot reach the file. Costs a second set of page tables and one more minor
  // fault for each page that is both written and read.
  bool protect_from_stray_stores = false;

  // Address space reserved for the mapping, in bytes; 0 lets the engine choose (1 TiB, less where
  // the process may not have it). Never a limit: a database that outgrows it is mapped again.
  size_t address_space_bytes = 0;

  // What commits wait for unless their transaction says otherwise.
  Durability durability = Durability::kSync;

  // The size that the log (`NAME-wal`, a file beside the database) may have, in bytes; 1 MiB to
  // 1 TiB, to which other values are brought. A checkpoint is taken in the background when two
  // thirds of it are used. While less than about an eighth is free, write transactions wait before
  // they begin. A larger log makes checkpoints, which write every changed page, rarer, and recovery
  // after a crash longer. Takes effect when a log is made: with the first logged commit after a
  // clean close.
  uint64_t log_size_bytes = uint64_t{180} << 20;

  // Called from time to time while Open() replays the log after a crash, with bytes of the log;
  // returning false cancels with kCancelled, and nothing is lost.
  ProgressCallback recovery_progress = {};
};

// Of one write transaction.
struct WriteOptions {
  // The database's unless set.
  std::optional<Durability> durability = {};
};

struct KeyspaceOptions {
  // Values of at least this many bytes are stored LZ4-compressed where that saves space; 0 stores
  // every value plain. A compressed value costs a decompression at every Get.
  uint32_t compress_values_from_bytes = 0;
};

}  // namespace espalier

#endif  // ESPALIER_API_OPTIONS_H_
