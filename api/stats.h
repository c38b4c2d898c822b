// What a database tells about itself: Stats (cheap, at any time) and VerifyReport (a full check).
#ifndef ESPALIER_API_STATS_H_
#define ESPALIER_API_STATS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

struct ReaderStats {
  uint64_t version = 0;              // the version that it reads
  std::chrono::milliseconds age{0};  // since it began
  uint64_t pinned_bytes = 0;  // in pages that newer versions freed and it is the newest to see
};

// All events of a kind since the database was opened. The quantiles are at most an eighth too high.
struct LatencyStats {
  uint64_t count = 0;
  std::chrono::microseconds p50{0};
  std::chrono::microseconds p90{0};
  std::chrono::microseconds p99{0};
  std::chrono::microseconds max{0};
};

// While a write transaction is open, the figures of the space are those of the last call without
// one (or of the opening).
struct Stats {
  uint64_t page_size_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t newest_version = 0;
  uint64_t checkpoint_version = 0;  // of the newest checkpoint; logged commits may be durable, too
  uint64_t keyspaces = 0;
  uint64_t entries = 0;  // in all keyspaces

  // Every page of the file is reachable from the newest version, waiting for an older version's
  // readers or for a checkpoint, free, or reserved (superblock and checkpoint slots).
  uint64_t reachable_pages = 0;
  uint64_t waiting_pages = 0;
  uint64_t waiting_for_checkpoint_pages = 0;  // of these
  uint64_t free_pages = 0;
  uint64_t reserved_pages = 0;

  // The log. All 0 while the handle has none: the first logged write transaction makes it, unless a
  // recovery has found one.
  uint64_t log_limit_bytes = 0;  // the size that it may have
  uint64_t log_used_bytes = 0;   // since the last checkpoint: what a recovery would read
  uint64_t log_waits = 0;        // how often a transaction waited for a checkpoint to make room
  LatencyStats log_flushes;      // each for all commits that came together
  // Transactions that the log brought back when the database was opened.
  uint64_t recovered_transactions = 0;

  uint64_t commits = 0;  // since the database was opened
  uint64_t checkpoints = 0;
  LatencyStats checkpoint_times;     // without the moment for which writers are kept out
  uint64_t mapped_bytes = 0;         // address space of the current mapping
  std::vector<ReaderStats> readers;  // oldest version first
};

struct VerifyReport {
  uint64_t pages = 0;  // in the file
  uint64_t leaf_pages = 0;
  uint64_t inner_pages = 0;
  uint64_t large_value_pages = 0;
  uint64_t space_map_pages = 0;
  uint64_t free_pages = 0;
  uint64_t waiting_pages = 0;
  uint64_t entries = 0;     // in all keyspaces
  uint64_t used_bytes = 0;  // bytes in use within leaf and inner pages
  // The log since the last checkpoint; of a handle that only reads, what it found when it opened.
  uint64_t log_bytes = 0;
  uint64_t log_transactions = 0;
  // One line for each fault found, page numbers included (at most 1,000). Empty: the file is sound.
  std::vector<std::string> problems;

  bool ok() const { return problems.empty(); }
};

}  // namespace espalier

#endif  // ESPALIER_API_STATS_H_
