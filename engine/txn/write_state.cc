#include "engine/txn/write_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/page/leaf.h"
#include "engine/tree/lookup.h"

namespace espalier::txn {
namespace {

// A value that lies outside of its leaf goes into the log as well if it is smaller than this: to
// write it twice costs less than a flush of its own (docs/decisions/0016-large-values-once.md).
constexpr uint64_t kLoggedByReferenceBytes = uint64_t{64} << 10;
// A larger buffer is not kept for the next transaction.
constexpr size_t kKeptRedoBytes = size_t{32} << 20;

}  // namespace

WriteState::WriteState(Engine* engine, const VersionState& base, Version version,
                       Durability durability)
    : TransactionState(engine),
      pages_(&*engine->allocator_, version),
      writer_(&pages_, &arena_, nullptr),
      next_id_(std::max(base.next_id, engine->next_keyspace_id_)),
      base_version_(base.version),
      base_source_(base.source),
      durability_(durability),
      logging_(durability != Durability::kCheckpoint && engine->log_ != nullptr) {
  if (logging_) {
    max_redo_bytes_ = engine->log_->max_payload_bytes();
    redo_ = std::move(engine->spare_redo_);
    redo_.Clear();
  }
  if (engine->log_ != nullptr) {
    pages_.ProtectLoggedRuns(engine->DurableVersion(), logging_);
  }
  version_ = version;
  catalogue_ = base.catalogue;
  reader_ = &pages_.reader();
  may_have_detached_ = base.may_have_detached;
  Remember(base);
  open_ = true;
}

WriteState::~WriteState() { WriteState::End(); }

void WriteState::End() {
  if (!open_) return;
  if (fork_generation_ == ForkGeneration()) engine_->allocator_->Rollback();
  Leave();
}

void WriteState::Leave() {
  open_ = false;
  base_source_ = nullptr;
  if (fork_generation_ != ForkGeneration()) return;
  Engine* const engine = std::exchange(engine_, nullptr);
  ReturnBorrowed(*engine);
  engine->EndTransaction(nullptr);
}

// What the writers of an engine hand on to each other.
void WriteState::ReturnBorrowed(Engine& engine) {
  engine.outgrown_.clear();
  if (redo_.capacity() <= kKeptRedoBytes) engine.spare_redo_ = std::move(redo_);
}

absl::Status WriteState::CheckHealthy() const {
  if (IsHealthy()) [[likely]]
    return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(failure_);
  if (broken_off_) {
    return absl::AbortedError(
        "memory ran out in the middle of a change; the transaction can only be dropped");
  }
  if (pages_.source().faulted()) return pages_.source().FaultStatus();
  return absl::OkStatus();
}

absl::Status WriteState::BeginChange() {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  SpellOut();
  return absl::OkStatus();
}

absl::Status WriteState::Fail(absl::Status status) {
  if (!status.ok() && failure_.ok() && !absl::IsNotFound(status) &&
      !absl::IsInvalidArgument(status)) {
    failure_ = status;
  }
  return status;
}

// In the mapping of the version that the transaction started from, or in another that it outgrew.
bool WriteState::IsMappedElsewhere(std::string_view bytes) const {
  const auto contains = [&](const auto& source) {
    return source->Contains(bytes.data(), bytes.size());
  };
  const auto& outgrown = engine_->outgrown_;
  return contains(base_source_) || std::any_of(outgrown.begin(), outgrown.end(), contains);
}

std::string_view WriteState::Detach(std::string_view bytes, std::string& copy) const {
  if (!IsMapped(bytes)) return bytes;
  copy.assign(bytes);
  return copy;
}

tree::TreeWriter& WriteState::WriterOf(KeyspaceState& keyspace) {
  if (writer_keyspace_ != &keyspace || writer_changes_ != keyspace.changes) {
    writer_.Attach(&keyspace.record.root);
    writer_keyspace_ = &keyspace;
    writer_changes_ = keyspace.changes;
  }
  return writer_;
}

void WriteState::Touch(KeyspaceState& keyspace) {
  keyspace.unrecorded = true;
  ++keyspace.changes;
  writer_changes_ = keyspace.changes;
  changed_ = true;
}

absl::StatusOr<bool> WriteState::Put(KeyspaceState& keyspace, std::string_view key,
                                     std::string_view value, PutMode mode) try {
  ESPALIER_RETURN_IF_ERROR(BeginChange());
  std::string key_copy;
  std::string value_copy;
  key = Detach(key, key_copy);
  value = Detach(value, value_copy);
  if (mode == PutMode::kOnlyIfAbsent) {
    const absl::StatusOr<tree::TreeWriter::Place> place = WriterOf(keyspace).Seek(key);
    if (!place.ok()) return Fail(place.status());
    if (place->exact) return false;
  }
  ESPALIER_RETURN_IF_ERROR(PutAt(mode == PutMode::kOnlyIfAbsent ? PutPlace::kHere : PutPlace::kSeek,
                                 keyspace, key, value));
  return true;
} catch (...) {
  BreakOff();
  throw;
}

absl::Status WriteState::Append(KeyspaceState& keyspace, std::string_view key,
                                std::string_view value) try {
  const uint32_t compress_from = keyspace.record.compress_from;
  const bool plain = (compress_from == 0 || value.size() < compress_from) &&
                     page::FitsInline(key.size(), value.size(), pages_.page_bytes());
  if (plain && IsHealthy() && !IsMapped(key) && !IsMapped(value) &&
      WriterOf(keyspace).TryAppend(key, {value, false, false}) == tree::TreeWriter::Appended::kDone)
      [[likely]] {
    Touch(keyspace);
    if (!appended_.leaves.empty()) {
      ++appended_.entries;
    } else {
      Log([&](log::RedoBuffer& redo) { redo.Put(keyspace.id, key, value); });
    }
    return absl::OkStatus();
  }
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  std::string key_copy;
  std::string value_copy;
  key = Detach(key, key_copy);
  value = Detach(value, value_copy);
  const absl::StatusOr<bool> at_end = WriterOf(keyspace).SeekEnd(key);
  if (!at_end.ok()) return Fail(at_end.status());
  if (!*at_end) {
    return absl::InvalidArgumentError(
        "the key to append is not greater than the last key of the keyspace");
  }
  if (plain) return AppendPlain(keyspace, key, value);
  SpellOut();
  return PutAt(PutPlace::kHere, keyspace, key, value);
} catch (...) {
  BreakOff();
  throw;
}

// Entries that are put behind the last one change no leaf but the last, and none before it; where
// that is divided, its second part is the last one.
absl::Status WriteState::AppendPlain(KeyspaceState& keyspace, std::string_view key,
                                     std::string_view value) {
  if (appended_.keyspace != keyspace.id) SpellOut();
  Touch(keyspace);
  ESPALIER_RETURN_IF_ERROR(Fail(writer_.Put(key, {value, false, false}).status()));
  if (!logging_) return absl::OkStatus();
  const absl::StatusOr<tree::TreeWriter::LastLeaf> last = writer_.FindLastLeaf();
  if (!last.ok()) return Fail(last.status());
  if (!appended_.leaves.empty()) {
    if (appended_.leaves.back() != last->number) appended_.leaves.push_back(last->number);
    ++appended_.entries;
  } else if (last->entries == 1) {
    appended_ = {keyspace.id, {last->number}, 1};
  } else {
    Log([&](log::RedoBuffer& redo) { redo.Put(keyspace.id, key, value); });
  }
  if (appended_.leaves.size() * pages_.page_bytes() / Engine::kLeafBytesPerLogByte >
      max_redo_bytes_) {
    StopLogging();
  }
  return absl::OkStatus();
}

void WriteState::SpellOutLeaves() {
  const std::vector<PageNumber> leaves = std::exchange(appended_.leaves, {});
  std::string key;
  for (const PageNumber number : leaves) {
    const page::Leaf leaf(pages_.source().read_page(number));
    for (uint32_t i = 0; i < leaf.size(); ++i) {
      leaf.key(i).CopyTo(key);
      Log([&](log::RedoBuffer& redo) { redo.Put(appended_.keyspace, key, leaf.payload(i).bytes); });
    }
  }
}

absl::Status WriteState::PutAt(PutPlace place, KeyspaceState& keyspace, std::string_view key,
                               std::string_view value) {
  tree::TreeWriter& writer = WriterOf(keyspace);
  const absl::StatusOr<page::Payload> payload =
      encoder_.Encode(pages_, key.size(), value, keyspace.record.compress_from);
  if (!payload.ok()) return Fail(payload.status());
  Touch(keyspace);
  if (place == PutPlace::kSeek) {
    ESPALIER_RETURN_IF_ERROR(Fail(writer.Seek(key, tree::TreeWriter::Above::kWritable).status()));
  }
  ESPALIER_RETURN_IF_ERROR(Fail(writer.Put(key, *payload).status()));
  LogPut(keyspace.id, key, value, *payload);
  return absl::OkStatus();
}

void WriteState::LogPut(uint64_t keyspace, std::string_view key, std::string_view value,
                        const page::Payload& payload) {
  if (!logging_) return;
  if (payload.large) {
    const auto* const reference = reinterpret_cast<const uint8_t*>(payload.bytes.data());
    const page::LargeRef ref = page::LargeRef::Decode(reference);
    if (ref.stored_bytes >= kLoggedByReferenceBytes) {
      logged_runs_.push_back({ref.first_page.value, ref.RunPages(pages_.page_bytes())});
      Log([&](log::RedoBuffer& redo) {
        redo.PutLarge(keyspace, key, {reference, page::LargeRef::kEncodedBytes});
      });
      return;
    }
  }
  Log([&](log::RedoBuffer& redo) { redo.Put(keyspace, key, value); });
}

void WriteState::StopLogging() {
  logging_ = false;
  redo_ = log::RedoBuffer();
  logged_runs_.clear();
  appended_.leaves.clear();
}

absl::Status WriteState::PutLarge(KeyspaceState& keyspace, std::string_view key,
                                  std::string_view reference) try {
  ESPALIER_RETURN_IF_ERROR(CheckHealthy());
  const absl::StatusOr<tree::TreeWriter::Place> place = WriterOf(keyspace).Seek(key);
  if (!place.ok()) return Fail(place.status());
  pages_.AdoptRun(page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(reference.data())));
  Touch(keyspace);
  return Fail(writer_.Put(key, {reference, false, true}).status());
} catch (...) {
  BreakOff();
  throw;
}

absl::StatusOr<absl::Span<char>> WriteState::Reserve(KeyspaceState& keyspace, std::string_view key,
                                                     uint64_t value_bytes) try {
  ESPALIER_RETURN_IF_ERROR(BeginChange());
  std::string key_copy;
  key = Detach(key, key_copy);
  tree::TreeWriter& writer = WriterOf(keyspace);
  const absl::StatusOr<tree::TreeWriter::Place> place = writer.Seek(key);
  if (!place.ok()) return Fail(place.status());
  uint8_t* run = nullptr;
  const absl::StatusOr<page::Payload> payload =
      encoder_.EncodeReserved(pages_, key.size(), value_bytes, &run);
  if (!payload.ok()) return Fail(payload.status());
  Touch(keyspace);
  const absl::StatusOr<uint8_t*> in_leaf = writer.Put(key, *payload);
  if (!in_leaf.ok()) return Fail(in_leaf.status());
  // The log has it once the caller has written it.
  if (run != nullptr || logging_) {
    PageNumber first_page(0);
    if (payload->large) {
      first_page = page::LargeRef::Decode(reinterpret_cast<const uint8_t*>(payload->bytes.data()))
                       .first_page;
    }
    reserved_.push_back({keyspace.id, std::string(key), first_page, value_bytes});
  }
  return absl::MakeSpan(reinterpret_cast<char*>(run != nullptr ? run : *in_leaf), value_bytes);
} catch (...) {
  BreakOff();
  throw;
}

absl::StatusOr<bool> WriteState::Delete(KeyspaceState& keyspace, std::string_view key) try {
  ESPALIER_RETURN_IF_ERROR(BeginChange());
  std::string key_copy;
  key = Detach(key, key_copy);
  pages_.set_reserve(space::Reserve::kMayUse);
  tree::TreeWriter& writer = WriterOf(keyspace);
  const absl::StatusOr<tree::TreeWriter::Place> place = writer.Seek(key);
  if (!place.ok()) return Fail(place.status());
  if (!place->exact) {
    pages_.set_reserve(space::Reserve::kKeep);
    return false;
  }
  Touch(keyspace);
  const absl::Status status = Fail(writer.Remove());
  pages_.set_reserve(space::Reserve::kKeep);
  ESPALIER_RETURN_IF_ERROR(status);
  Log([&](log::RedoBuffer& redo) { redo.Delete(keyspace.id, key); });
  return true;
} catch (...) {
  BreakOff();
  throw;
}

absl::StatusOr<uint64_t> WriteState::DeleteRange(KeyspaceState& keyspace, std::string_view begin,
                                                 std::optional<std::string_view> end) try {
  ESPALIER_RETURN_IF_ERROR(BeginChange());
  std::string begin_copy;
  std::string end_copy;
  begin = Detach(begin, begin_copy);
  if (end.has_value()) end = Detach(*end, end_copy);
  // What is cut off with its subtree cannot be found at the commit any more.
  ESPALIER_RETURN_IF_ERROR(Fail(SealReserved()));
  pages_.set_reserve(space::Reserve::kMayUse);
  tree::TreeWriter& writer = WriterOf(keyspace);
  const absl::StatusOr<uint64_t> removed = writer.RemoveRange(begin, end, detached_);
  pages_.set_reserve(space::Reserve::kKeep);
  if (!removed.ok()) return Fail(removed.status());
  // Even where no entry was in the range: on the way pages may have been copied, and nodes merged
  // without any change of the root.
  Touch(keyspace);
  Log([&](log::RedoBuffer& redo) { redo.DeleteRange(keyspace.id, begin, end); });
  return *removed;
} catch (...) {
  BreakOff();
  throw;
}

absl::StatusOr<uint64_t> WriteState::CreateKeyspace(std::string_view name,
                                                    uint32_t compress_from) try {
  ESPALIER_RETURN_IF_ERROR(BeginChange());
  if (name.empty() || name.size() > kMaxKeyspaceNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a keyspace's name has 1 to ", kMaxKeyspaceNameBytes, " bytes, not ", name.size()));
  }
  const absl::StatusOr<uint64_t> existing = FindKeyspaceByName(name);
  if (existing.ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a keyspace \"", std::string(name), "\""));
  }
  if (!absl::IsNotFound(existing.status())) return existing.status();
  std::string name_copy;
  name = Detach(name, name_copy);
  const uint64_t id = next_id_++;
  engine_->next_keyspace_id_ = std::max(engine_->next_keyspace_id_, next_id_);
  changed_ = true;
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.PutName(name, id)));
  ESPALIER_RETURN_IF_ERROR(
      Fail(catalogue.PutKeyspace({id, std::string(name), {{}, compress_from}})));
  Log([&](log::RedoBuffer& redo) { redo.Create(id, compress_from, name); });
  return id;
} catch (...) {
  BreakOff();
  throw;
}

absl::StatusOr<bool> WriteState::HasKeyspace(uint64_t id) {
  const absl::StatusOr<KeyspaceState*> keyspace = FindKeyspace(id);
  if (absl::IsNotFound(keyspace.status())) return false;
  ESPALIER_RETURN_IF_ERROR(keyspace.status());
  return true;
}

absl::StatusOr<std::string> WriteState::NameOf(const KeyspaceState& keyspace) const {
  return CatalogueReader(reader(), catalogue_).NameOf(keyspace.id);
}

absl::Status WriteState::DropKeyspace(KeyspaceState& keyspace) try {
  ESPALIER_RETURN_IF_ERROR(BeginChange());
  if (keyspace.id == kDefaultKeyspaceId) {
    return absl::InvalidArgumentError("the default keyspace cannot be dropped");
  }
  ESPALIER_RETURN_IF_ERROR(Fail(SealReserved()));
  ESPALIER_ASSIGN_OR_RETURN(const std::string name, NameOf(keyspace));
  changed_ = true;
  pages_.set_reserve(space::Reserve::kMayUse);
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  absl::Status status = Fail(catalogue.RemoveName(name));
  if (status.ok()) status = Fail(catalogue.RemoveKeyspace(keyspace.id));
  pages_.set_reserve(space::Reserve::kKeep);
  ESPALIER_RETURN_IF_ERROR(status);
  const page::TreeRoot& root = keyspace.record.root;
  if (root.height > 0) detached_.push_back({root.ref, root.height - 1});
  keyspace.dropped = true;
  keyspace.unrecorded = false;
  ++keyspace.changes;
  Log([&](log::RedoBuffer& redo) { redo.Drop(keyspace.id); });
  return absl::OkStatus();
} catch (...) {
  BreakOff();
  throw;
}

absl::Status WriteState::RenameKeyspace(KeyspaceState& keyspace, std::string_view name) try {
  ESPALIER_RETURN_IF_ERROR(BeginChange());
  if (keyspace.id == kDefaultKeyspaceId) {
    return absl::InvalidArgumentError("the default keyspace cannot be renamed");
  }
  if (name.empty() || name.size() > kMaxKeyspaceNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a keyspace's name has 1 to ", kMaxKeyspaceNameBytes, " bytes, not ", name.size()));
  }
  ESPALIER_ASSIGN_OR_RETURN(const std::string old_name, NameOf(keyspace));
  if (name == old_name) return absl::OkStatus();
  const absl::StatusOr<uint64_t> existing = FindKeyspaceByName(name);
  if (existing.ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a keyspace \"", std::string(name), "\""));
  }
  if (!absl::IsNotFound(existing.status())) return existing.status();
  changed_ = true;
  const std::string new_name(name);
  CatalogueWriter catalogue(&pages_, &arena_, &catalogue_);
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.RemoveName(old_name)));
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.PutName(new_name, keyspace.id)));
  ESPALIER_RETURN_IF_ERROR(Fail(catalogue.PutKeyspace({keyspace.id, new_name, keyspace.record})));
  keyspace.unrecorded = false;
  Log([&](log::RedoBuffer& redo) { redo.Rename(keyspace.id, new_name); });
  return absl::OkStatus();
} catch (...) {
  BreakOff();
  throw;
}

}  // namespace espalier::txn
