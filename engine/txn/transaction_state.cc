#include "engine/txn/transaction_state.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/tree/lookup.h"
#include "engine/tree/values.h"

namespace espalier::txn {

TransactionState::TransactionState(Engine* engine)
    : engine_(engine),
      fork_generation_(ForkGeneration()),
      database_(engine->instance()),
      max_key_bytes_(page::MaxKeyBytes(engine->page_bytes())),
      reader_(&version_reader_) {}

TransactionState::~TransactionState() { TransactionState::End(); }

void TransactionState::BeginReading(ReaderSlot* slot, const VersionState& state) {
  slot_ = slot;
  version_ = state.version;
  catalogue_ = state.catalogue;
  version_reader_ = state.reader();
  Remember(state);
  open_ = true;
}

void TransactionState::Remember(const VersionState& state) {
  if (!state.recent.has_value()) return;
  first_keyspace_.id = state.recent->id;
  first_keyspace_.record = state.recent->record;
  first_keyspace_.unrecorded = state.recent->unrecorded;
  last_ = &first_keyspace_;
}

void TransactionState::End() {
  if (!open_) return;
  open_ = false;
  // In a fork child the slot and the engine are copies that nobody else looks at.
  if (fork_generation_ != ForkGeneration()) return;
  Engine* const engine = std::exchange(engine_, nullptr);
  if (slot_ != nullptr) engine->EndTransaction(std::exchange(slot_, nullptr));
}

absl::Status TransactionState::NotOpen() const {
  if (fork_generation_ != ForkGeneration()) {
    return absl::FailedPreconditionError(
        "the database was opened before a fork; the child must open it anew");
  }
  return absl::FailedPreconditionError("the transaction has ended");
}

absl::Status TransactionState::BadKey(std::string_view key) const {
  if (key.empty()) return absl::InvalidArgumentError("a key must have at least one byte");
  return absl::InvalidArgumentError(
      absl::StrCat("a key of ", key.size(), " bytes; at most ", max_key_bytes_, " are allowed"));
}

absl::StatusOr<KeyspaceState*> TransactionState::FindKeyspaceSlowly(uint64_t id) {
  KeyspaceState* known = nullptr;
  ForEachKeyspace([&](const KeyspaceState& keyspace) {
    if (keyspace.id == id) known = const_cast<KeyspaceState*>(&keyspace);
  });
  if (known != nullptr) {
    if (known->dropped) return absl::NotFoundError("the keyspace was dropped");
    return last_ = known;
  }
  absl::StatusOr<KeyspaceRecord> record = CatalogueReader(reader(), catalogue_).FindById(id);
  if (absl::IsNotFound(record.status())) {
    return absl::NotFoundError(absl::StrCat("version ", version_.value, " has no keyspace ", id));
  }
  ESPALIER_RETURN_IF_ERROR(record.status());
  KeyspaceState* fresh = &first_keyspace_;
  if (fresh->id != KeyspaceState::kNone) {
    more_keyspaces_.push_back(std::make_unique<KeyspaceState>());
    fresh = more_keyspaces_.back().get();
  }
  fresh->id = id;
  fresh->record = *std::move(record);
  return last_ = fresh;
}

absl::StatusOr<uint64_t> TransactionState::FindKeyspaceByName(std::string_view name) const {
  absl::StatusOr<uint64_t> id = CatalogueReader(reader(), catalogue_).FindByName(name);
  if (absl::IsNotFound(id.status())) {
    return absl::NotFoundError(absl::StrCat("no keyspace \"", std::string(name), "\""));
  }
  return id;
}

absl::StatusOr<std::vector<NamedKeyspace>> TransactionState::ListKeyspaces() const {
  ESPALIER_ASSIGN_OR_RETURN(std::vector<NamedKeyspace> list,
                            CatalogueReader(reader(), catalogue_).List());
  for (NamedKeyspace& listed : list) {
    ForEachKeyspace([&](const KeyspaceState& keyspace) {
      if (keyspace.id == listed.id) listed.record = keyspace.record;
    });
  }
  return list;
}

absl::StatusOr<std::string_view> TransactionState::Get(const KeyspaceState& keyspace,
                                                       std::string_view key) {
  const page::PageReader& pages = reader();
  const tree::Found found = tree::Find(pages, keyspace.record.root, key);
  if (found.outcome == tree::Outcome::kFound) {
    absl::StatusOr<std::string_view> value = tree::DecodeValue(pages, found.payload, values_);
    if (pages.source().faulted()) [[unlikely]]
      return pages.source().FaultStatus();
    return value;
  }
  if (pages.source().faulted()) return pages.source().FaultStatus();
  if (found.outcome == tree::Outcome::kMissing) return absl::NotFoundError("");
  return tree::ExplainLookup(pages, keyspace.record.root, key);
}

absl::StatusOr<std::string_view> TransactionState::GetPart(const KeyspaceState& keyspace,
                                                           std::string_view key, uint64_t offset,
                                                           uint64_t length) {
  const page::PageReader& pages = reader();
  const tree::Found found = tree::Find(pages, keyspace.record.root, key);
  if (found.outcome == tree::Outcome::kDamaged) {
    return tree::ExplainLookup(pages, keyspace.record.root, key);
  }
  if (pages.source().faulted()) return pages.source().FaultStatus();
  if (found.outcome == tree::Outcome::kMissing) return absl::NotFoundError("");
  return tree::DecodePart(pages, found.payload, offset, length, values_);
}

absl::Status TransactionState::MultiGet(const KeyspaceState& keyspace,
                                        absl::Span<const std::string_view> keys,
                                        absl::Span<std::optional<std::string_view>> values) {
  const page::PageReader& pages = reader();
  std::array<tree::Found, 64> found;
  for (size_t first = 0; first < keys.size(); first += found.size()) {
    const size_t count = std::min(found.size(), keys.size() - first);
    tree::FindMany(pages, keyspace.record.root, keys.subspan(first, count),
                   absl::MakeSpan(found).first(count));
    for (size_t i = 0; i < count; ++i) {
      std::optional<std::string_view>& value = values[first + i];
      switch (found[i].outcome) {
        case tree::Outcome::kMissing:
          value = std::nullopt;
          break;
        case tree::Outcome::kFound: {
          ESPALIER_ASSIGN_OR_RETURN(value, tree::DecodeValue(pages, found[i].payload, values_));
          break;
        }
        case tree::Outcome::kDamaged:
          return tree::ExplainLookup(pages, keyspace.record.root, keys[first + i]);
      }
    }
  }
  if (pages.source().faulted()) return pages.source().FaultStatus();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> TransactionState::Rank(const KeyspaceState& keyspace,
                                                std::string_view key) const {
  const std::optional<uint64_t> rank = tree::Rank(reader(), keyspace.record.root, key);
  if (reader().source().faulted()) return reader().source().FaultStatus();
  if (!rank.has_value()) return tree::ExplainLookup(reader(), keyspace.record.root, key);
  return *rank;
}

}  // namespace espalier::txn
