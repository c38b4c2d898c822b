// Creating and opening a database file.
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/base/mutant.h"
#include "engine/base/status_macros.h"
#include "engine/base/uuid.h"
#include "engine/os/directory.h"
#include "engine/txn/engine.h"

namespace espalier::txn {
namespace {

absl::Status CheckOptions(const EngineOptions& options) {
  if (!page::IsValidPageSize(options.page_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a page size of ", options.page_bytes,
                     " bytes; it must be 4096, 8192, 16384, 32768 or 65536"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Engine::WriteFreshDatabase(os::File& file, const EngineOptions& options) {
  const page::Superblock superblock{options.page_bytes, NewUuid()};
  const uint64_t pages = page::FirstDataPage(options.page_bytes);
  ESPALIER_RETURN_IF_ERROR(file.Allocate(0, pages * options.page_bytes));
  ESPALIER_RETURN_IF_ERROR(file.WriteAt(page::kSuperblockOffset, superblock.Encode()));
  // Both slots, so that either of them alone opens the database.
  for (uint32_t i = 0; i < 2; ++i) {
    page::CheckpointSlot slot;
    slot.sequence = i + 1;
    slot.version = Version(1);
    slot.page_count = pages;
    slot.clean = true;
    slot.next_keyspace_id = 1;
    ESPALIER_RETURN_IF_ERROR(file.WriteAt(page::kSlotOffsets[i], slot.Encode(superblock.uuid, i)));
  }
  return IsMutant(Mutant::kNameBeforeContent) ? absl::OkStatus() : file.SyncAll();
}

// INV-14: nothing appears under the name before it is whole and durable.
absl::StatusOr<Engine::OpenedFile> Engine::CreateFile(const std::string& path,
                                                      const EngineOptions& options) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string temporary, os::TemporaryNameBeside(path));
  ESPALIER_ASSIGN_OR_RETURN(os::File file, os::File::CreateExclusive(temporary));
  absl::Cleanup discard = [&] { os::Discard(temporary); };
  ESPALIER_RETURN_IF_ERROR(WriteFreshDatabase(file, options));
  // Registered and locked before it can be found, so that nobody opens it in between.
  ESPALIER_ASSIGN_OR_RETURN(os::OpenFileRegistration registration,
                            os::OpenFileRegistration::Register(file.Identity(), path));
  ESPALIER_RETURN_IF_ERROR(file.LockExclusive());
  ESPALIER_RETURN_IF_ERROR(IsMutant(Mutant::kCreateOverExisting)
                               ? os::RenameReplacing(temporary, path)
                               : os::RenameNoReplace(temporary, path));
  std::move(discard).Cancel();
  file.set_path(path);
  if (!IsMutant(Mutant::kSkipDirectoryFlush)) {
    ESPALIER_RETURN_IF_ERROR(os::SyncDirectoryOf(path));
  }
  return OpenedFile{std::move(file), std::move(registration)};
}

absl::StatusOr<Engine::OpenedFile> Engine::OpenExisting(const std::string& path,
                                                        os::OpenMode mode) {
  ESPALIER_ASSIGN_OR_RETURN(os::File file, os::File::Open(path, mode));
  ESPALIER_ASSIGN_OR_RETURN(os::OpenFileRegistration registration,
                            os::OpenFileRegistration::Register(file.Identity(), path));
  return OpenedFile{std::move(file), std::move(registration)};
}

absl::StatusOr<Engine::OpenedFile> Engine::OpenFile(const std::string& path,
                                                    const EngineOptions& options) {
  const os::OpenMode mode = options.read_only ? os::OpenMode::kReadOnly : os::OpenMode::kReadWrite;
  if (!options.must_create) {
    absl::StatusOr<OpenedFile> file = OpenExisting(path, mode);
    if (file.ok() || !absl::IsNotFound(file.status()) || options.read_only ||
        !options.create_if_missing) {
      return file;
    }
  }
  absl::StatusOr<OpenedFile> created = CreateFile(path, options);
  // Somebody else may have created it in the meantime.
  if (absl::IsAlreadyExists(created.status()) && !options.must_create) {
    return OpenExisting(path, mode);
  }
  return created;
}

absl::StatusOr<Engine*> Engine::Open(const std::string& path, const EngineOptions& options) {
  ESPALIER_RETURN_IF_ERROR(CheckOptions(options));
  ESPALIER_ASSIGN_OR_RETURN(OpenedFile opened, OpenFile(path, options));
  std::unique_ptr<Engine, void (*)(Engine*)> engine(new Engine(std::move(opened.file), options),
                                                    [](Engine* failed) { delete failed; });
  engine->registration_ = std::move(opened.registration);
  // A file in memory that came by its descriptor has no place for companions.
  ESPALIER_ASSIGN_OR_RETURN(const os::FileInfo info, engine->file_.Info());
  if (info.names > 0) {
    ESPALIER_ASSIGN_OR_RETURN(engine->log_path_, os::CanonicalPath(path));
    engine->log_path_ += "-wal";
  }
  absl::Status locked =
      options.read_only ? engine->file_.LockShared() : engine->file_.LockExclusive();
  if (options.read_only && IsMutant(Mutant::kReaderDoesNotLock)) locked = absl::OkStatus();
  if (absl::IsUnavailable(locked)) {
    return absl::UnavailableError(absl::StrCat(path, ": another process has the database open"));
  }
  ESPALIER_RETURN_IF_ERROR(locked);
  ESPALIER_RETURN_IF_ERROR(engine->Load());
  return engine.release();
}

absl::StatusOr<Engine*> Engine::OpenInMemory(const EngineOptions& options) {
  ESPALIER_RETURN_IF_ERROR(CheckOptions(options));
  ESPALIER_ASSIGN_OR_RETURN(os::File file, os::File::CreateInMemory("espalier"));
  ESPALIER_RETURN_IF_ERROR(WriteFreshDatabase(file, options));
  std::unique_ptr<Engine, void (*)(Engine*)> engine(new Engine(std::move(file), options),
                                                    [](Engine* failed) { delete failed; });
  ESPALIER_RETURN_IF_ERROR(engine->Load());
  return engine.release();
}

bool Engine::HasSlotOfAnyDatabase() const {
  for (uint32_t i = 0; i < 2; ++i) {
    std::array<uint8_t, page::CheckpointSlot::kEncodedBytes> bytes{};
    const absl::StatusOr<size_t> read = file_.ReadAt(page::kSlotOffsets[i], bytes);
    if (read.ok() && *read == bytes.size() &&
        page::CheckpointSlot::DecodeOfAny(bytes, i).has_value()) {
      return true;
    }
  }
  return false;
}

absl::StatusOr<page::CheckpointSlot> Engine::ChooseSlot(uint64_t file_bytes) {
  std::optional<page::CheckpointSlot> newest;
  uint32_t newest_index = 0;
  for (uint32_t i = 0; i < 2; ++i) {
    std::array<uint8_t, page::CheckpointSlot::kEncodedBytes> bytes{};
    ESPALIER_ASSIGN_OR_RETURN(const size_t read, file_.ReadAt(page::kSlotOffsets[i], bytes));
    if (read < bytes.size()) continue;
    const std::optional<page::CheckpointSlot> slot =
        page::CheckpointSlot::Decode(bytes, superblock_.uuid, i);
    if (!slot.has_value()) continue;
    if (newest.has_value() &&
        (newest->sequence > slot->sequence) != IsMutant(Mutant::kChooseOlderSlot)) {
      continue;
    }
    newest = slot;
    newest_index = i;
  }
  if (!newest.has_value()) {
    return absl::DataLossError(
        absl::StrCat(path(), ": neither of the two checkpoint slots is valid"));
  }
  const uint64_t first_data_page = page::FirstDataPage(page_bytes());
  if (newest->page_count < first_data_page ||
      (newest->page_count > file_bytes / page_bytes() && !IsMutant(Mutant::kTrustPageCount))) {
    return absl::DataLossError(absl::StrCat(path(), ": the newest checkpoint needs ",
                                            newest->page_count, " pages of ", page_bytes(),
                                            " bytes, but the file has ", file_bytes, " bytes"));
  }
  MutexLock lock(&state_mutex_);
  NoteDurableSlot(*newest, newest_index);
  return *newest;
}

absl::StatusOr<std::shared_ptr<page::PageSource>> Engine::MapFile(uint64_t minimum_pages,
                                                                  size_t wanted_bytes) {
  const size_t minimum_bytes = (minimum_pages << page_shift_) + page::PageSource::kGuardBytes;
  ESPALIER_ASSIGN_OR_RETURN(
      std::unique_ptr<os::Mapping> mapping,
      os::MapWithFallback(file_, std::max(wanted_bytes, minimum_bytes), minimum_bytes, access_,
                          options_.separate_read_view));
  return std::make_shared<page::PageSource>(std::move(mapping), page_bytes(),
                                            options_.verify_checksums, path());
}

absl::Status Engine::Load() {
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t file_bytes, file_.Size());
  std::array<uint8_t, page::Superblock::kEncodedBytes> bytes{};
  ESPALIER_ASSIGN_OR_RETURN(const size_t read, file_.ReadAt(page::kSuperblockOffset, bytes));
  absl::StatusOr<page::Superblock> superblock =
      page::Superblock::Decode(std::span(bytes).first(read), path());
  if (absl::IsInvalidArgument(superblock.status()) && HasSlotOfAnyDatabase()) {
    return absl::DataLossError(absl::StrCat(
        path(), ": the superblock is destroyed, but a checkpoint slot of a database is there"));
  }
  ESPALIER_RETURN_IF_ERROR(superblock.status());
  superblock_ = *superblock;
  page_shift_ = static_cast<uint32_t>(std::countr_zero(superblock_.page_bytes));
  ESPALIER_ASSIGN_OR_RETURN(const page::CheckpointSlot slot, ChooseSlot(file_bytes));

  const uint64_t file_pages = file_bytes >> page_shift_;
  if (options_.read_only) {
    const bool recovers = !slot.clean && slot.log_generation != 0;
    access_ = recovers ? os::Access::kPrivate : os::Access::kReadOnly;
  }
  // What a private recovery has changed is in the mapping alone, which cannot be made again.
  const size_t wanted = options_.address_space_bytes != 0 && access_ != os::Access::kPrivate
                            ? options_.address_space_bytes
                            : os::Mapping::DefaultReservation();
  ESPALIER_ASSIGN_OR_RETURN(source_, MapFile(file_pages, wanted));
  file_pages_.store(file_pages);

  allocator_.emplace(page::FirstDataPage(page_bytes()), page_bytes(),
                     static_cast<space::BackingFile*>(this));
  space_map_.emplace(page_bytes());
  VersionState state;
  state.version = slot.version;
  state.catalogue = slot.catalogue;
  state.next_id = slot.next_keyspace_id;
  state.page_limit = slot.page_count;
  state.source = source_;
  ESPALIER_ASSIGN_OR_RETURN(
      Bitmap reachable,
      space_map_->Load(state.reader(), slot.space_map, slot.space_map_height, slot.page_count));
  if (const uint64_t reserved = page::FirstDataPage(page_bytes());
      reachable.CountRange(0, reserved) > 0 && !IsMutant(Mutant::kTrustSpaceMap)) {
    return source_->DataLoss("the space map names pages of the superblock or the slots");
  }
  allocator_->Load(std::move(reachable), file_pages);
  holes_are_known_ = slot.clean;
  if (!slot.clean) first_new_version_ = Version(slot.version.value + kLostVersions);
  if (slot.keyspace.has_value()) {
    const auto& [id, root, compress_from] = *slot.keyspace;
    state.recent = {id, {root, compress_from}, /*unrecorded=*/true};
  } else {
    // If that page is damaged, whoever needs it will be told.
    absl::StatusOr<KeyspaceRecord> record =
        CatalogueReader(state.reader(), state.catalogue).FindById(kDefaultKeyspaceId);
    if (record.ok()) state.recent = {kDefaultKeyspaceId, *record, /*unrecorded=*/false};
  }
  auto first = std::make_unique<VersionState>(std::move(state));
  PrepareApply();
  Publish(Apply(std::move(first)));
  if (slot.clean) {
    ESPALIER_RETURN_IF_ERROR(CheckNothingFollows(slot));
  } else if (slot.log_generation != 0) {
    ESPALIER_RETURN_IF_ERROR(Recover(slot));
  }
  // The checkpoint after a recovery may have begun.
  gate_.Enter();
  absl::Cleanup leave = [this] { gate_.Leave(); };
  NoteSpaceStats();
  return absl::OkStatus();
}

}  // namespace espalier::txn
