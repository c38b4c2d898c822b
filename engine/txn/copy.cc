#include "engine/txn/copy.h"

#include <memory>
#include <string_view>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "engine/base/status_macros.h"
#include "engine/os/directory.h"
#include "engine/os/file.h"
#include "engine/tree/cursor.h"
#include "engine/tree/values.h"
#include "engine/txn/transaction_state.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {
namespace {

// The copy is committed in parts, so that its transactions stay small.
constexpr uint64_t kPartBytes = uint64_t{64} << 20;

class Copier {
 public:
  Copier(TransactionState& from, Engine& to, const ProgressFunction& progress)
      : from_(from), to_(to), progress_(progress) {}

  absl::Status Run() {
    ESPALIER_ASSIGN_OR_RETURN(const std::vector<NamedKeyspace> keyspaces, from_.ListKeyspaces());
    for (const auto& keyspace : keyspaces) total_ += keyspace.record.root.entries;
    for (const auto& keyspace : keyspaces) ESPALIER_RETURN_IF_ERROR(CopyKeyspace(keyspace));
    // What was found in the file may have gone before it was copied.
    const page::PageSource& source = from_.reader().source();
    return source.faulted() ? source.FaultStatus() : absl::OkStatus();
  }

 private:
  absl::Status CopyKeyspace(const NamedKeyspace& keyspace) {
    const auto& [from_id, name, record] = keyspace;
    ESPALIER_ASSIGN_OR_RETURN(std::shared_ptr<WriteState> part,
                              to_.BeginWrite(std::nullopt, Durability::kCheckpoint));
    uint64_t id = kDefaultKeyspaceId;
    if (from_id != kDefaultKeyspaceId) {
      ESPALIER_ASSIGN_OR_RETURN(id, part->CreateKeyspace(name, record.compress_from));
    }
    ESPALIER_ASSIGN_OR_RETURN(KeyspaceState * target, part->FindKeyspace(id));
    tree::Cursor cursor(from_.reader(), record.root);
    page::Arena values;
    std::string key;
    uint64_t part_bytes = 0;
    for (bool found = cursor.First(); found; found = cursor.Next()) {
      cursor.key().CopyTo(key);
      values.Reset();
      ESPALIER_ASSIGN_OR_RETURN(const std::string_view value,
                                tree::DecodeValue(from_.reader(), cursor.payload(), values));
      ESPALIER_RETURN_IF_ERROR(part->Append(*target, key, value));
      part_bytes += key.size() + value.size();
      if (part_bytes >= kPartBytes) {
        ESPALIER_RETURN_IF_ERROR(part->Commit().status());
        ESPALIER_ASSIGN_OR_RETURN(part, to_.BeginWrite(std::nullopt, Durability::kCheckpoint));
        ESPALIER_ASSIGN_OR_RETURN(target, part->FindKeyspace(id));
        part_bytes = 0;
      }
      if (++done_ % 4096 == 0 && progress_ && !progress_(done_, total_)) {
        return absl::CancelledError("the copy was cancelled");
      }
    }
    ESPALIER_RETURN_IF_ERROR(cursor.status());
    return part->Commit().status();
  }

  TransactionState& from_;
  Engine& to_;
  const ProgressFunction& progress_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

}  // namespace

absl::Status CopyDatabase(Engine& source, const std::string& path,
                          const ProgressFunction& progress) {
  // What there may be besides, the rename at the end finds. kInvalidArgument: a directory, for one.
  const absl::Status found = os::File::Open(path, os::OpenMode::kReadOnly).status();
  if (found.ok() || absl::IsInvalidArgument(found)) {
    return absl::AlreadyExistsError(path + ": there is something of that name");
  }
  // Under a name of its own until it is whole, like every new database (INV-14).
  ESPALIER_ASSIGN_OR_RETURN(const std::string partial, os::TemporaryNameBeside(path));
  ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<TransactionState> from, source.BeginRead());
  EngineOptions options;
  options.must_create = true;
  options.page_bytes = source.page_bytes();
  Engine* engine = nullptr;
  absl::Cleanup discard = [&] {
    os::Discard(partial);
    if (engine != nullptr) Engine::Release(engine);
  };
  ESPALIER_ASSIGN_OR_RETURN(engine, Engine::Open(partial, options));
  ESPALIER_RETURN_IF_ERROR(Copier(*from, *engine, progress).Run());
  ESPALIER_RETURN_IF_ERROR(engine->Close());
  ESPALIER_RETURN_IF_ERROR(os::RenameNoReplace(partial, path));
  std::move(discard).Cancel();
  Engine::Release(engine);
  const absl::Status named = os::SyncDirectoryOf(path);
  if (!named.ok()) os::Discard(path);
  return named;
}

}  // namespace espalier::txn
