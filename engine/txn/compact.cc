// Database::Compact: many small write transactions, between which others get their turn.
//
// Pages that a step replaces wait for the next checkpoint, so a checkpoint is taken whenever an
// eighth of the file waits; what it frees is where the following steps put their pages.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "engine/base/status_macros.h"
#include "engine/tree/tree_writer.h"
#include "engine/txn/engine.h"
#include "engine/txn/write_state.h"

namespace espalier::txn {

class Compactor {
 public:
  Compactor(Engine* engine, const ProgressFunction& progress)
      : engine_(*engine), progress_(progress) {}

  absl::Status Run() {
    ESPALIER_RETURN_IF_ERROR(FreeDetachedTrees());
    // The first pass packs; packing a level can leave the one above to be packed. Those after it
    // move what is left behind the new end of the file, as long as that brings it nearer.
    ESPALIER_RETURN_IF_ERROR(Pass(/*repack=*/true));
    for (int pass = 0; pass < kMovingPasses; ++pass) {
      ESPALIER_RETURN_IF_ERROR(Checkpoint());
      const uint64_t before = engine_.file_pages_.load();
      if (before <= PageLimit()) break;
      ESPALIER_RETURN_IF_ERROR(Pass(/*repack=*/false));
      ESPALIER_RETURN_IF_ERROR(Checkpoint());
      if (engine_.file_pages_.load() >= before) break;
    }
    if (progress_) progress_(done_, done_);
    return absl::OkStatus();
  }

 private:
  static constexpr int kMovingPasses = 3;
  // Free pages left within the file that is aimed at, for the steps themselves.
  static constexpr uint64_t kSlackPages = 64;

  // A write transaction that takes its pages from the front of the file.
  absl::StatusOr<std::shared_ptr<WriteState>> BeginStep() {
    ESPALIER_ASSIGN_OR_RETURN(std::shared_ptr<WriteState> step,
                              engine_.BeginWrite(std::nullopt, Durability::kCheckpoint));
    step->same_content_ = true;
    engine_.allocator_->AllocateFromFront();
    return step;
  }
  absl::Status EndStep(WriteState& step) {
    step.changed_ = true;
    ESPALIER_RETURN_IF_ERROR(step.Commit().status());
    if (engine_.WaitingPages() > std::max<uint64_t>(engine_.file_pages_.load() / 8, 1024)) {
      return engine_.Checkpoint();
    }
    return absl::OkStatus();
  }

  absl::Status Checkpoint() {
    engine_.gate_.Enter();
    engine_.space_map_->MarkAllChanged();
    engine_.gate_.Leave();
    // A version of its own, or there would be nothing to make durable.
    ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<WriteState> step, BeginStep());
    ESPALIER_RETURN_IF_ERROR(EndStep(*step));
    ESPALIER_RETURN_IF_ERROR(engine_.Checkpoint());
    engine_.gate_.Enter();
    absl::Cleanup leave = [this] { engine_.gate_.Leave(); };
    return engine_.GiveSpaceBack(Engine::GiveBack::kAll, /*kept_pages=*/0);
  }

  // One past the last page of a file without holes.
  uint64_t PageLimit() {
    engine_.gate_.Enter();
    absl::Cleanup leave = [this] { engine_.gate_.Leave(); };
    return engine_.allocator_->reserved_pages() + engine_.allocator_->reachable_pages() +
           kSlackPages;
  }

  absl::Status FreeDetachedTrees() {
    while (true) {
      ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<WriteState> step, BeginStep());
      ESPALIER_ASSIGN_OR_RETURN(const std::vector<DetachedRecord> rest,
                                CatalogueReader(step->reader(), step->catalogue_).Detached(1));
      if (rest.empty()) return absl::OkStatus();
      // The commit frees a part of it.
      ESPALIER_RETURN_IF_ERROR(EndStep(*step));
    }
  }

  absl::Status Pass(bool repack) {
    const uint64_t page_limit = repack ? UINT64_MAX : PageLimit();
    ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<TransactionState> snapshot,
                              engine_.BeginRead());
    ESPALIER_ASSIGN_OR_RETURN(const auto keyspaces, snapshot->ListKeyspaces());
    snapshot->End();
    total_ = 0;
    done_ = 0;
    for (const auto& keyspace : keyspaces) total_ += keyspace.record.root.entries + 1;
    for (const auto& keyspace : keyspaces) {
      for (uint32_t level = 0; level < std::max(1u, keyspace.record.root.height); ++level) {
        ESPALIER_RETURN_IF_ERROR(TidyLevel(keyspace.id, {level, repack, page_limit}));
      }
      done_ += keyspace.record.root.entries + 1;
    }
    // The catalogue's own tree.
    ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<WriteState> step, BeginStep());
    for (uint32_t level = 0; level < std::max(1u, step->catalogue_.height); ++level) {
      std::string from;
      for (bool more = true; more;) {
        tree::TreeWriter writer(&step->pages_, &step->arena_, &step->catalogue_);
        ESPALIER_ASSIGN_OR_RETURN(std::optional<std::string> next,
                                  writer.Tidy(from, {level, repack, page_limit}));
        more = next.has_value();
        if (more) from = *std::move(next);
      }
    }
    return EndStep(*step);
  }

  absl::Status TidyLevel(uint64_t keyspace_id, const tree::TreeWriter::TidyOptions& options) {
    std::string from;
    uint64_t nodes = 0;
    while (true) {
      ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<WriteState> step, BeginStep());
      const absl::StatusOr<KeyspaceState*> keyspace = step->FindKeyspace(keyspace_id);
      if (absl::IsNotFound(keyspace.status())) return absl::OkStatus();  // dropped meanwhile
      ESPALIER_RETURN_IF_ERROR(keyspace.status());
      page::TreeRoot& root = (*keyspace)->record.root;
      const page::TreeRoot before = root;
      const uint64_t entries = root.entries;
      tree::TreeWriter writer(&step->pages_, &step->arena_, &root);
      step->pages_.set_reserve(space::Reserve::kMayUse);
      ESPALIER_ASSIGN_OR_RETURN(const std::optional<std::string> next, writer.Tidy(from, options));
      if (root != before) {
        (*keyspace)->unrecorded = true;
        ESPALIER_RETURN_IF_ERROR(EndStep(*step));
      } else {
        step->End();
      }
      // A rough estimate: a node's children hold some thousands of entries.
      ++nodes;
      if (progress_ && !progress_(done_ + std::min(entries, nodes * 4096), total_)) {
        return absl::CancelledError("the compaction was cancelled");
      }
      if (!next.has_value()) return absl::OkStatus();
      from = *next;
    }
  }

  Engine& engine_;
  const ProgressFunction& progress_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

absl::Status Engine::Compact(const ProgressFunction& progress) {
  return Compactor(this, progress).Run();
}

uint64_t Engine::WaitingPages() {
  gate_.Enter();
  absl::Cleanup leave = [this] { gate_.Leave(); };
  return allocator_->waiting_pages();
}

}  // namespace espalier::txn
