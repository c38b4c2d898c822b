#include "tests/crash/crash_workload.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "tests/crash/image_checker.h"

namespace espalier::testing {
namespace {

constexpr size_t kSmallValueBytes = 100;
constexpr size_t kLargeValueBytes = 20000;
// With one chunk, with two of which the second is nearly nothing or nearly whole, with three.
constexpr size_t kByReferenceBytes[] = {65536, 65537, 131071, 131072, 150000};
// So many values of this size are more than an eighth of the log.
constexpr size_t kMediumValueBytes = 30000;
constexpr int kTooManyValues = 5;

std::string ParentOf(Place place) {
  if (place != Place::kDisk) return "/dev/shm";
  const char* const parent = std::getenv("TEST_TMPDIR");
  // Paths are compared: links must not give the directory a second one.
  return std::filesystem::canonical(parent != nullptr ? parent : "/tmp");
}

std::string PrepareDirectory(const std::string& directory,
                             const std::optional<CrashedDatabase>& start) {
  if (start.has_value()) WriteDirectory(start->image, directory);
  return directory;
}

std::optional<Contents> ContentsOf(const std::optional<CrashedDatabase>& start) {
  if (!start.has_value()) return std::nullopt;
  return *start->contents;
}

}  // namespace

std::string_view NameOf(Operation operation) {
  constexpr std::string_view kNames[kOperations] = {"put",
                                                    "overwrite",
                                                    "delete",
                                                    "large value",
                                                    "create keyspace",
                                                    "drop keyspace",
                                                    "checkpoint",
                                                    "grow",
                                                    "shrink",
                                                    "compact",
                                                    "reopen",
                                                    "abandon",
                                                    "logged by reference",
                                                    "too large for the log",
                                                    "fill the log",
                                                    "change again",
                                                    "append",
                                                    "compressed value",
                                                    "batch",
                                                    "wait",
                                                    "roll back",
                                                    "hold a reader",
                                                    "end the reader"};
  return kNames[static_cast<int>(operation)];
}

std::string_view NameOf(Place place) {
  switch (place) {
    case Place::kDisk:
      return "disk";
    case Place::kMemory:
      return "tmpfs";
    case Place::kMemoryMapped:
      return "tmpfs, mapped log";
  }
  return "";
}

CrashWorkload::CrashWorkload(CrashLab& lab, const Setting& setting,
                             const std::optional<CrashedDatabase>& start)
    : lab_(lab),
      setting_(setting),
      random_(setting.seed),
      directory_(ParentOf(setting.place)),
      history_(ContentsOf(start)),
      recorder_(PrepareDirectory(directory_.path(), start),
                setting.place == Place::kMemoryMapped ? LogWay::kMappedOnly : LogWay::kAsFound,
                setting.seed, [this](std::string_view where, const RecordedDisk& disk) {
                  CrashPoint(where, disk);
                }) {
  set_crashing(setting.crash_while_opening);
  if (setting.witness != nullptr) {
    setting.witness->Watch(directory_.path());
    recorder_.set_witness(setting.witness);
  }
  if (!start.has_value()) history_.Begin({{"", {}}});
  Expect("open", Open());
  if (!start.has_value()) history_.Durable(history_.newest());
  recorder_.Crash("after the opening");
}

CrashWorkload::~CrashWorkload() {
  set_crashing(false);
  if (!db_.has_value()) return;
  HoldReader().IgnoreError();
  db_.reset();
  reader_.reset();
}

std::string CrashWorkload::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

void CrashWorkload::Problem(const std::string& problem) {
  const std::lock_guard lock(mutex_);
  if (problem_.empty()) problem_ = problem;
}

void CrashWorkload::Expect(std::string_view what, const absl::Status& status) {
  if (!status.ok()) Problem(absl::StrCat(std::string(what), ": ", status.ToString()));
}

void CrashWorkload::CrashPoint(std::string_view where, const RecordedDisk& disk) {
  if (!problem().empty()) return;
  if (setting_.witness != nullptr) {
    setting_.witness->Look(disk);
    return Problem(setting_.witness->problem());
  }
  const std::string found = lab_.Crash(where, disk, history_, setting_.budget);
  if (!found.empty()) Problem(found);
}

void CrashWorkload::Perform(Operation operation, Durability durability) {
  if (!problem().empty()) return;
  Expect(NameOf(operation), Do(operation, durability));
  Expect(NameOf(operation), CheckReader());
  recorder_.Crash(absl::StrCat("after ", std::string(NameOf(operation))));
}

void CrashWorkload::Close() {
  if (!problem().empty()) return;
  Expect("close", CloseInOrder());
  recorder_.Crash("after the close");
}

absl::Status CrashWorkload::Do(Operation operation, Durability durability) {
  switch (operation) {
    case Operation::kPut:
      return PutOne(durability, NewKey(), kSmallValueBytes);
    case Operation::kOverwrite:
      return PutOne(durability, SomeKey(), kSmallValueBytes);
    case Operation::kDelete:
      return DeleteOne(durability);
    case Operation::kLargeValue:
      return PutOne(durability, NewKey(), kLargeValueBytes);
    case Operation::kCreateKeyspace:
      return CreateKeyspace(durability);
    case Operation::kDropKeyspace:
      return DropKeyspace(durability);
    case Operation::kCheckpoint:
      return CheckpointEverything();
    case Operation::kGrow:
      return Grow(durability);
    case Operation::kShrink:
      ESPALIER_RETURN_IF_ERROR(Shrink(durability));
      return CheckpointEverything();
    case Operation::kCompact:
      return db_->Compact().status();
    case Operation::kReopen:
      ESPALIER_RETURN_IF_ERROR(CloseInOrder());
      return Open();
    case Operation::kAbandon:
      return Abandon();
    case Operation::kLoggedByReference:
      return PutOne(durability, SomeKey(), SomeBytesByReference());
    case Operation::kTooLargeForTheLog:
      return PutTooMuch(durability);
    case Operation::kFillTheLog:
      for (int i = 0; i < 12; ++i) {
        ESPALIER_RETURN_IF_ERROR(PutOne(durability, absl::StrCat("fill", i), kMediumValueBytes));
      }
      return absl::OkStatus();
    case Operation::kChangeAgain:
      return ChangeAgain(durability);
    case Operation::kAppend:
      return Append(durability);
    case Operation::kCompressed:
      return PutCompressed(durability);
    case Operation::kWriteBatch:
      return WriteABatch(durability);
    case Operation::kWaitDurable:
      return WaitDurable();
    case Operation::kRollBack:
      return RollBack();
    case Operation::kHoldReader:
      return HoldReader();
    case Operation::kEndReader:
      reader_.reset();
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status CrashWorkload::Commit(Durability durability, const Change& change) {
  WriteOptions options;
  options.durability = durability;
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db_->BeginWrite(options));
  Contents after = history_.contents();
  ESPALIER_RETURN_IF_ERROR(change(txn, after));
  history_.Begin(std::move(after));
  return Acknowledge(txn.Commit(), durability);
}

absl::Status CrashWorkload::Acknowledge(const absl::StatusOr<CommitToken>& token,
                                        Durability durability) {
  ESPALIER_RETURN_IF_ERROR(token.status());
  history_.Acknowledge(durability);
  last_commit_ = {*token, history_.newest()};
  return absl::OkStatus();
}

absl::Status CrashWorkload::Open() {
  Options options = CrashTestOptions();
  options.create_if_missing = true;
  options.page_size_bytes = setting_.page_size_bytes;
  options.log_size_bytes = setting_.log_size_bytes;
  options.protect_from_stray_stores = setting_.protect_from_stray_stores;
  ESPALIER_ASSIGN_OR_RETURN(
      Database db, Database::Open(absl::StrCat(directory_.path(), "/", kDatabaseName), options));
  db_.emplace(std::move(db));
  ESPALIER_ASSIGN_OR_RETURN(const Digest found, ReadDigest(*db_));
  if (found != Digest::Of(history_.contents()) && !history_.ReopenedAt(found)) {
    return absl::InternalError("wrong contents");
  }
  return absl::OkStatus();
}

absl::Status CrashWorkload::CloseInOrder() {
  const size_t newest = history_.newest();
  reader_.reset();
  ESPALIER_RETURN_IF_ERROR(db_->Close());
  history_.Durable(newest);
  db_.reset();
  recorder_.Crash("after the close");
  return absl::OkStatus();
}

// What has recovered is durable, too: a kAsync commit that was found must not go afterwards.
absl::Status CrashWorkload::Abandon() {
  ESPALIER_RETURN_IF_ERROR(HoldReader());
  db_.reset();
  reader_.reset();
  recorder_.Crash("after the process died");
  last_commit_.reset();
  ESPALIER_RETURN_IF_ERROR(Open());
  return history_.ReopenedAt(Digest::Of(history_.contents()))
             ? absl::OkStatus()
             : absl::InternalError("the history is wrong");
}

absl::Status CrashWorkload::CheckpointEverything() {
  const size_t newest = history_.newest();
  ESPALIER_RETURN_IF_ERROR(db_->Checkpoint());
  history_.Durable(newest);
  return absl::OkStatus();
}

absl::Status CrashWorkload::PutOne(Durability durability, const std::string& key,
                                   size_t value_bytes) {
  const std::string value = RandomValue(value_bytes);
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) {
    after[""][key] = value;
    return txn.Put(db_->default_keyspace(), key, value);
  });
}

// More than an eighth of the small log: by checkpoint, and so durable when it returns, whatever its
// kind.
absl::Status CrashWorkload::PutTooMuch(Durability durability) {
  ESPALIER_RETURN_IF_ERROR(
      Commit(durability, [&](WriteTransaction& txn, Contents& after) -> absl::Status {
        for (int i = 0; i < kTooManyValues; ++i) {
          const std::string key = absl::StrCat("fill", i);
          const std::string value = RandomValue(kMediumValueBytes);
          after[""][key] = value;
          ESPALIER_RETURN_IF_ERROR(txn.Put(db_->default_keyspace(), key, value));
        }
        return absl::OkStatus();
      }));
  const bool too_much = setting_.log_size_bytes == kSmallLogBytes;
  if (too_much && durability != Durability::kCheckpoint) history_.Durable(history_.newest());
  return absl::OkStatus();
}

absl::Status CrashWorkload::DeleteOne(Durability durability) {
  const std::string key = SomeKey();
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) {
    after[""].erase(key);
    return txn.Delete(db_->default_keyspace(), key).status();
  });
}

// Puts, reserves and deletes, with values of all sizes; few enough large ones for the log.
absl::Status CrashWorkload::ChangeAgain(Durability durability) {
  const std::string keys[] = {SomeKey(), NewKey()};
  const size_t value_bytes[] = {kSmallValueBytes, kLargeValueBytes, SomeBytesByReference()};
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) -> absl::Status {
    const Keyspace keyspace = db_->default_keyspace();
    for (int i = 0; i < 6; ++i) {
      const std::string& key = keys[random_() % std::size(keys)];
      const std::string value = RandomValue(value_bytes[random_() % std::size(value_bytes)]);
      switch (random_() % 3) {
        case 0:
          ESPALIER_RETURN_IF_ERROR(txn.Put(keyspace, key, value));
          break;
        case 1: {
          ESPALIER_ASSIGN_OR_RETURN(const auto span, txn.Reserve(keyspace, key, value.size()));
          std::copy(value.begin(), value.end(), span.begin());
          break;
        }
        default:
          after[""].erase(key);
          ESPALIER_RETURN_IF_ERROR(txn.Delete(keyspace, key).status());
          continue;
      }
      after[""][key] = value;
    }
    return absl::OkStatus();
  });
}

// Sometimes with something else before, in between, or afterwards.
absl::Status CrashWorkload::Append(Durability durability) {
  // Some 35 leaves; where the log is large enough, so many that it refers to those of a kSync
  // commit as well.
  const uint64_t leaves = setting_.log_size_bytes > kSmallLogBytes ? 280 : 35;
  const uint64_t entries = leaves * setting_.page_size_bytes / 1024;
  const uint64_t stop = random_() % 4 == 0 ? random_() % (entries + 1) : entries + 1;
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) -> absl::Status {
    const Keyspace keyspace = db_->default_keyspace();
    if (random_() % 2 == 0) {
      after[""].erase(after[""].lower_bound("s"), after[""].end());
      ESPALIER_RETURN_IF_ERROR(txn.DeleteRange(keyspace, KeyRange::From("s")).status());
    }
    for (uint64_t i = 0; i <= entries; ++i) {
      if (i == stop) {
        const std::string key = NewKey();
        after[""][key] = "between";
        ESPALIER_RETURN_IF_ERROR(txn.Put(keyspace, key, "between"));
      }
      const std::string key = absl::StrCat("s", 1'000'000 + ++appended_);
      const std::string value = RandomValue(900);
      after[""][key] = value;
      ESPALIER_RETURN_IF_ERROR(txn.Append(keyspace, key, value));
    }
    return absl::OkStatus();
  });
}

// What is left of every second one is still so large that the log only refers to it.
absl::Status CrashWorkload::PutCompressed(Durability durability) {
  const std::string name = "compressed";
  const std::string key = absl::StrCat("key", random_() % 4);
  std::string value = RandomValue(random_() % 2 == 0 ? 3000 : SomeBytesByReference());
  value.append(value.size(), 'x');
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace keyspace,
                              txn.OpenOrCreateKeyspace(name, {.compress_values_from_bytes = 100}));
    after[name][key] = value;
    return txn.Put(keyspace, key, value);
  });
}

absl::Status CrashWorkload::WriteABatch(Durability durability) {
  const Keyspace keyspace = db_->default_keyspace();
  Contents after = history_.contents();
  WriteBatch batch;
  for (int i = 0; i < 3; ++i) {
    const std::string key = NewKey();
    after[""][key] = RandomValue(i == 0 ? kLargeValueBytes : kSmallValueBytes);
    batch.Put(keyspace, key, after[""][key]);
  }
  const std::string gone = SomeKey();
  after[""].erase(gone);
  batch.Delete(keyspace, gone);
  after[""].erase(after[""].lower_bound("grown3"), after[""].lower_bound("grown5"));
  batch.DeleteRange(keyspace, KeyRange{"grown3", "grown5"});
  history_.Begin(std::move(after));
  return Acknowledge(db_->Write(batch, {.durability = durability}), durability);
}

absl::Status CrashWorkload::CreateKeyspace(Durability durability) {
  const std::string name = absl::StrCat("keyspace", random_() % 1000000);
  // Sometimes with so many pages that no single commit frees them when it is dropped, but so few at
  // a time that the log has them.
  const bool large = random_() % 4 == 0;
  for (int part = 0; part < (large ? 2 : 1); ++part) {
    ESPALIER_RETURN_IF_ERROR(
        Commit(durability, [&](WriteTransaction& txn, Contents& after) -> absl::Status {
          ESPALIER_ASSIGN_OR_RETURN(const Keyspace keyspace, txn.OpenOrCreateKeyspace(name));
          for (int i = 0; i < (large ? 75 : 3); ++i) {
            const std::string key = absl::StrCat("key", part, " ", i);
            const std::string value = RandomValue(large ? 1500 : kSmallValueBytes);
            after[name][key] = value;
            ESPALIER_RETURN_IF_ERROR(txn.Put(keyspace, key, value));
          }
          return absl::OkStatus();
        }));
  }
  return absl::OkStatus();
}

absl::Status CrashWorkload::DropKeyspace(Durability durability) {
  if (history_.contents().size() < 2) return CreateKeyspace(durability);
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) -> absl::Status {
    const auto last = std::prev(after.end());
    ESPALIER_ASSIGN_OR_RETURN(const Keyspace keyspace, txn.OpenKeyspace(last->first));
    after.erase(last);
    return txn.DropKeyspace(keyspace);
  });
}

absl::Status CrashWorkload::Grow(Durability durability) {
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) -> absl::Status {
    for (int i = 0; i < 100; ++i) {
      const std::string key = absl::StrCat("grown", i);
      const std::string value = RandomValue(1000);
      after[""][key] = value;
      ESPALIER_RETURN_IF_ERROR(txn.Put(db_->default_keyspace(), key, value));
    }
    return absl::OkStatus();
  });
}

absl::Status CrashWorkload::Shrink(Durability durability) {
  return Commit(durability, [&](WriteTransaction& txn, Contents& after) {
    after[""].erase(after[""].lower_bound("f"), after[""].lower_bound("h"));
    return txn.DeleteRange(db_->default_keyspace(), KeyRange{"f", "h"}).status();
  });
}

absl::Status CrashWorkload::WaitDurable() {
  if (!last_commit_.has_value()) return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(db_->WaitDurable(last_commit_->first));
  history_.Durable(last_commit_->second);
  return absl::OkStatus();
}

absl::Status CrashWorkload::RollBack() {
  ESPALIER_ASSIGN_OR_RETURN(WriteTransaction txn, db_->BeginWrite());
  for (int i = 0; i < 20; ++i) {
    ESPALIER_RETURN_IF_ERROR(
        txn.Put(db_->default_keyspace(), absl::StrCat("gone", i), RandomValue(1000)));
  }
  recorder_.Crash("before the rollback");
  txn.Rollback();
  return absl::OkStatus();
}

absl::Status CrashWorkload::HoldReader() {
  ESPALIER_ASSIGN_OR_RETURN(ReadTransaction reader, db_->BeginRead());
  reader_.emplace(std::move(reader));
  ESPALIER_ASSIGN_OR_RETURN(held_, ReadDigest(*reader_));
  return absl::OkStatus();
}

// It sees its version, whatever has happened since.
absl::Status CrashWorkload::CheckReader() {
  if (!reader_.has_value()) return absl::OkStatus();
  ESPALIER_ASSIGN_OR_RETURN(const Digest found, ReadDigest(*reader_));
  return found == held_ ? absl::OkStatus()
                        : absl::InternalError("the reader sees other contents than before");
}

size_t CrashWorkload::SomeBytesByReference() {
  return kByReferenceBytes[random_() % std::size(kByReferenceBytes)];
}

std::string CrashWorkload::NewKey() { return absl::StrCat("key", random_() % 100000); }

std::string CrashWorkload::SomeKey() {
  const auto& entries = history_.contents().at("");
  if (entries.empty()) return NewKey();
  return std::next(entries.begin(), static_cast<ptrdiff_t>(random_() % entries.size()))->first;
}

std::string CrashWorkload::RandomValue(size_t bytes) {
  std::string value(bytes, '\0');
  for (char& byte : value) byte = static_cast<char>(random_());
  return value;
}

}  // namespace espalier::testing
