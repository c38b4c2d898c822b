// Appends records to the log and makes them durable, many with one flush.
//
// Records come from one thread at a time, in the order of their versions. Flush() may be called by
// any number of threads at once: one of them flushes for all, and what is appended meanwhile goes
// with the next flush. (Group commit without a timer: DeWitt et al., "Implementation Techniques for
// Main Memory Database Systems", SIGMOD 1984.)
//
// There are two ways into the file. What is wanted durable at once is collected in memory and goes
// past the page cache with one write that returns when the device has it. What need not be durable
// yet is stored into a mapping of the log: no system call, and yet it outlives the process (large
// records are written: one call costs less than to prepare their pages for stores). If the
// former comes while some of the latter is not flushed, it takes the mapping too, and the flush is
// an msync of the range.
#ifndef ESPALIER_ENGINE_LOG_LOG_WRITER_H_
#define ESPALIER_ENGINE_LOG_LOG_WRITER_H_

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/latency_histogram.h"
#include "engine/base/mutex.h"
#include "engine/base/types.h"
#include "engine/base/uuid.h"
#include "engine/log/format.h"
#include "engine/os/file.h"
#include "engine/os/mapping.h"

namespace espalier::log {

class LogWriter {
 public:
  // Called, by the thread that flushed, after each flush that succeeded and before any Flush()
  // returns because of it, with the version of the newest record that is durable now.
  using DurableFunction = std::function<void(Version version)>;

  // Called before each flush: makes durable what the records refer to.
  using BeforeFlushFunction = std::function<absl::Status()>;

  struct Callbacks {
    DurableFunction on_durable;
    BeforeFlushFunction before_flush = [] { return absl::OkStatus(); };
  };

  // A log of `ring_bytes`, half of that and so on where the process may not have the addresses, in
  // the place of whatever file there is at `path`; it and its name are durable. kResourceExhausted
  // when the disk is full.
  static absl::StatusOr<std::unique_ptr<LogWriter>> Create(const std::string& path,
                                                           const Uuid& uuid, uint64_t ring_bytes,
                                                           const Callbacks& callbacks);
  // Goes on behind the last record of a log. What is already in the file is made durable. Nothing
  // from `needed_from` on is overwritten.
  static absl::StatusOr<std::unique_ptr<LogWriter>> Continue(os::File file, uint64_t ring_bytes,
                                                             const LogPlace& place,
                                                             LogPosition needed_from,
                                                             Callbacks callbacks);

  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  struct Appended {
    LogPlace before;     // where the record begins, and what it continues
    LogPosition end{0};  // Flush() until here makes it durable
    // Where the newest record of AppendCheckpoint() begins, or what is needed of the log.
    LogPosition newest_checkpoint{0};
    // It is in the page cache and outlives the process; otherwise only once it is flushed.
    bool outlives_process = false;
  };
  // Appends a record. `record` is room for the header and then the payload. `flush_follows`: the
  // caller is going to call Flush(). kResourceExhausted, with nothing changed, if the ring or the
  // disk has no room; kDataLoss if the file has lost its page; the error of a flush or of such a
  // store that failed before. The last 64th of the ring is kept
  // for the other two kinds, and the last block for checkpoints, which are what makes room.
  absl::StatusOr<Appended> Append(RecordKind kind, Version version, std::span<uint8_t> record,
                                  bool flush_follows);
  // Likewise a record without a payload that begins a block, so that a reader finds it who knows
  // only the place.
  absl::StatusOr<Appended> AppendCheckpoint(Version version);
  // A new generation begins: nothing that lies behind the end of the log continues it.
  absl::StatusOr<Appended> AppendGeneration(Version version);

  // Returns when everything before `end` is durable. The first error stays (INV-9).
  absl::Status Flush(LogPosition end);
  // Returns when [begin, end) is durable, which is a record of AppendCheckpoint(). What comes
  // before it need not be by then.
  absl::Status FlushCheckpoint(LogPosition begin, LogPosition end);
  // Returns when the flush that is under way, if one is, has ended.
  void AwaitFlush() const;
  // What was appended last ends here.
  LogPosition end() const;

  // Everything before `position` may be overwritten (INV-5), and need not be durable any more.
  void Recycle(LogPosition position);

  uint64_t ring_bytes() const { return ring_bytes_; }
  // The largest payload that Append() should be asked to take: a share of the ring, so that some
  // more fit while a checkpoint makes room.
  uint64_t max_payload_bytes() const { return std::min(ring_bytes_ / 8, kMaxPayloadBytes); }
  // Whether a record of that size fits, and so many bytes besides.
  bool HasRoom(uint64_t besides) const;
  // What transactions leave free.
  uint64_t reserved_bytes() const { return RoundUp(ring_bytes_ / 64, kBlockBytes); }
  // Bytes from the place that recovery would begin at to the end.
  uint64_t used_bytes() const;
  // What was logged up to this version lies before end(): the newest transaction that this writer
  // appended, or what its generation's record says came before; 0 if there was neither.
  Version logged_until() const;
  uint64_t flushes() const { return flush_latency().count(); }
  LatencyHistogram flush_latency() const;
  // Of the first flush that failed (INV-9), or store that went nowhere.
  absl::Status status() const;
  const std::string& path() const { return file_.path(); }
  const os::File& file() const { return file_; }

 private:
  struct FreeMemory {
    void operator()(uint8_t* memory) const { std::free(memory); }
  };
  // Whole blocks in memory, aligned as direct writes need it.
  struct Blocks {
    std::unique_ptr<uint8_t, FreeMemory> bytes;
    uint64_t capacity = 0;
    void Reserve(uint64_t used, uint64_t needed);
  };

  LogWriter(os::File file, uint64_t ring_bytes, const LogPlace& place, LogPosition needed_from,
            Callbacks callbacks);
  absl::Status Map();
  // What a record of that kind leaves free.
  uint64_t KeptFor(RecordKind kind) const;

  absl::StatusOr<Appended> AppendLocked(RecordKind kind, Version version, std::span<uint8_t> record,
                                        bool flush_follows, bool at_block)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteZeros(uint64_t offset, uint64_t length);
  absl::Status Grow(uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status PrepareMapped(uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status PrepareDirect(uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Two ways into the page cache.
  absl::Status Store(uint64_t position, std::span<const uint8_t> bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteAtOnce(uint64_t position, std::span<const uint8_t> bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteBlocks(os::File& file, uint64_t position, std::span<const uint8_t> blocks);
  absl::Status SyncMapped(uint64_t begin, uint64_t end);
  // Calls function(offset in the file, length, bytes of the range before this part) for the one or
  // two parts of the file that a range of the stream lies in, until an error.
  template <typename Function>
  absl::Status ForEachPart(uint64_t position, uint64_t length, Function function) const;

  os::File file_;
  std::optional<os::File> direct_;  // where the file system can
  uint64_t direct_alignment_ = kBlockBytes;
  const uint64_t ring_bytes_;
  std::unique_ptr<os::Mapping> mapping_;
  const Callbacks callbacks_;

  mutable Mutex mutex_;
  mutable CondVar flushed_;
  LogPlace tail_ ABSL_GUARDED_BY(mutex_);
  Version logged_until_ ABSL_GUARDED_BY(mutex_){0};
  // A flush ended the block that the tail lies in.
  bool begin_block_ ABSL_GUARDED_BY(mutex_) = true;
  bool tail_is_direct_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t needed_from_ ABSL_GUARDED_BY(mutex_);
  LogPosition newest_checkpoint_ ABSL_GUARDED_BY(mutex_);
  uint64_t durable_ ABSL_GUARDED_BY(mutex_);
  // Stored into the mapping and not flushed; empty when both are equal.
  uint64_t mapped_begin_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t mapped_end_ ABSL_GUARDED_BY(mutex_) = 0;
  // Collected for a direct write that has not begun; empty when both are equal.
  uint64_t blocks_begin_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t blocks_end_ ABSL_GUARDED_BY(mutex_) = 0;
  Blocks blocks_ ABSL_GUARDED_BY(mutex_);
  Blocks spare_;  // the leader's
  // Up to here the pages are in the page cache, ready to be stored to.
  uint64_t prepared_ ABSL_GUARDED_BY(mutex_) = 0;
  // The ring has bytes of its own in the file up to here.
  uint64_t written_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // And from here on it came to have them through this writer.
  uint64_t grown_from_ ABSL_GUARDED_BY(mutex_) = 0;
  bool growth_is_flushed_ ABSL_GUARDED_BY(mutex_) = true;
  bool flushing_ ABSL_GUARDED_BY(mutex_) = false;
  LatencyHistogram flush_latency_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace espalier::log

#endif  // ESPALIER_ENGINE_LOG_LOG_WRITER_H_
