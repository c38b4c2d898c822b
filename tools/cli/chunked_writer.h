// Writes any number of entries in transactions of bounded size; what comes in key order takes the
// fast path of sorted loads.
#ifndef ESPALIER_TOOLS_CLI_CHUNKED_WRITER_H_
#define ESPALIER_TOOLS_CLI_CHUNKED_WRITER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "espalier/database.h"

namespace espalier::tools {

class ChunkedWriter {
 public:
  struct Options {
    bool overwrite = true;     // else an entry whose key exists is skipped
    bool append_only = false;  // refuse a key that is not greater than all before it
    // Small, because the pages that a transaction replaces are free only when it has committed: a
    // random load in chunks of 100,000 leaves a file of nearly twice the size, no sooner.
    uint64_t chunk_entries = 1'000;
    uint64_t chunk_bytes = uint64_t{32} << 20;
  };

  ChunkedWriter(Database& db, const Options& options) : db_(db), options_(options) {}

  // Creates the keyspace if there is none of that name; entries go there from now on.
  absl::Status SelectKeyspace(const std::string& name, const KeyspaceOptions& keyspace_options);

  // kInvalidArgument for a key that cannot be, or is out of order with append_only. After an error
  // the entries of the chunk are lost, those of the chunks before are not.
  absl::Status Put(std::string_view key, std::string_view value);

  // Commits what is left.
  absl::Status Commit();

  uint64_t committed() const { return committed_; }
  uint64_t skipped() const { return skipped_; }

 private:
  absl::Status Begin();
  absl::Status PutInTransaction(std::string_view key, std::string_view value);

  Database& db_;
  const Options options_;
  std::optional<WriteTransaction> txn_;
  Keyspace keyspace_;
  bool sorted_ = true;    // so far, within the keyspace
  uint64_t entries_ = 0;  // of the open transaction
  uint64_t bytes_ = 0;
  uint64_t committed_ = 0;
  uint64_t skipped_ = 0;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_CHUNKED_WRITER_H_
