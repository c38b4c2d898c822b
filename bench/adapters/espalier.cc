// Espalier with its default options but for the durability, verification on; one read transaction
// for each BeginRead().
#include "espalier/database.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/adapters/die.h"
#include "bench/adapters/engines.h"
#include "espalier/version.h"

namespace espalier::bench {
namespace {

// Unless durable, nothing is flushed to the device before Flush(), as with all others; a commit
// outlives the process.
espalier::Options Options(const OpenOptions& open) {
  espalier::Options options;
  options.durability = open.durable ? Durability::kSync : Durability::kAsync;
  return options;
}

constexpr uint64_t kAppendsPerTransaction = 100'000;  // as in LMDB's adapter

void Check(const absl::Status& status, std::string_view doing) {
  if (!status.ok()) {
    Die("espalier", doing, std::string(status.message().data(), status.message().size()));
  }
}

template <typename T>
T Checked(absl::StatusOr<T> result, std::string_view doing) {
  Check(result.status(), doing);
  return *std::move(result);
}

class EspalierSession : public Session {
 public:
  explicit EspalierSession(espalier::Database* db) : db_(*db), keyspace_(db->default_keyspace()) {}

  void BeginRead() override { read_.emplace(Checked(db_.BeginRead(), "BeginRead")); }
  void EndRead() override {
    cursor_.reset();
    read_.reset();
  }

  std::string_view Get(std::string_view key) override {
    const absl::StatusOr<std::string_view> value = txn().Get(keyspace_, key);
    if (value.ok()) return *value;
    if (absl::IsNotFound(value.status())) return {};
    Check(value.status(), "Get");
    return {};
  }

  void MultiGet(std::span<const std::string_view> keys,
                std::span<std::string_view> values) override {
    found_.resize(keys.size());
    Check(txn().MultiGet(keyspace_, absl::MakeConstSpan(keys.data(), keys.size()),
                         absl::MakeSpan(found_)),
          "MultiGet");
    for (size_t i = 0; i < keys.size(); ++i) values[i] = found_[i].value_or(std::string_view());
  }

  Touch Scan(std::string_view start, uint64_t limit) override {
    if (!cursor_.has_value()) cursor_.emplace(Checked(txn().OpenCursor(keyspace_), "OpenCursor"));
    Touch touch;
    for (bool found = start.empty() ? cursor_->First() : cursor_->SeekLowerBound(start); found;
         found = cursor_->Next()) {
      touch(Checked(cursor_->value(), "value"));
      if (touch.count() == limit) break;
    }
    Check(cursor_->status(), "Next");
    return touch;
  }

  void BeginWrite() override { write_.emplace(Checked(db_.BeginWrite(), "BeginWrite")); }
  void BeginPuts() override {}
  void Put(std::string_view key, std::string_view value) override {
    if (!write_.has_value()) return batch_.Put(keyspace_, key, value);
    Check(write_->Put(keyspace_, key, value), "Put");
  }
  void Commit() override {
    if (!write_.has_value()) {
      Check(db_.Write(batch_).status(), "Write");
      return batch_.Clear();
    }
    cursor_.reset();
    Check(write_->Commit().status(), "Commit");
    write_.reset();
  }

 private:
  const Transaction& txn() const {
    return write_.has_value() ? static_cast<const Transaction&>(*write_) : *read_;
  }

  espalier::Database& db_;
  const Keyspace keyspace_;
  std::optional<ReadTransaction> read_;
  std::optional<WriteTransaction> write_;
  WriteBatch batch_;  // of a transaction that only puts
  std::optional<Cursor> cursor_;
  std::vector<std::optional<std::string_view>> found_;
};

class EspalierDatabase : public Database {
 public:
  explicit EspalierDatabase(const OpenOptions& options)
      : db_(Checked(espalier::Database::Open(options.directory + "/data.esp", Options(options)),
                    "Open")) {}

  ~EspalierDatabase() override { Check(db_.Close(), "Close"); }

  std::unique_ptr<Session> NewSession() override { return std::make_unique<EspalierSession>(&db_); }

  void BeginAppend() override {}
  void Append(std::string_view key, std::string_view value) override {
    if (!append_.has_value()) append_.emplace(Checked(db_.BeginWrite(), "BeginWrite"));
    Check(append_->Append(db_.default_keyspace(), key, value), "Append");
    if (++appended_ % kAppendsPerTransaction == 0) FinishAppend();
  }
  void FinishAppend() override {
    if (!append_.has_value()) return;
    Check(append_->Commit().status(), "Commit");
    append_.reset();
  }

  void Settle() override { Check(db_.Checkpoint(), "Checkpoint"); }
  void Flush() override { Check(db_.Checkpoint(), "Checkpoint"); }
  void Compact() override { Check(db_.Compact().status(), "Compact"); }

 private:
  espalier::Database db_;
  std::optional<WriteTransaction> append_;
  uint64_t appended_ = 0;
};

std::string Version() { return VersionString(); }

std::string OnOrOff(bool on) { return on ? "on" : "off"; }

// All of its options, though only the first differs from the default.
Settings GetSettings(const OpenOptions& open) {
  const espalier::Options options = Options(open);
  return {
      {"durability", open.durable ? "kSync" : "kAsync"},
      {"page_size_bytes", absl::StrCat(options.page_size_bytes)},
      {"verify_checksums", OnOrOff(options.verify_checksums)},
      {"protect_from_stray_stores", OnOrOff(options.protect_from_stray_stores)},
      {"address_space_bytes", options.address_space_bytes == 0
                                  ? "the engine's choice"
                                  : absl::StrCat(options.address_space_bytes)},
      {"log_size_bytes", absl::StrCat(options.log_size_bytes)},
      {"transactions that only put", "WriteBatch"},
      {"sorted load", absl::StrCat("Append, ", kAppendsPerTransaction, " records a transaction")},
      {"readers", "a transaction for each read, one cursor in it"},
      {"multi-get", "native"},
      {"before read rows", "Checkpoint"},
      {"compact", "Compact"},
  };
}

std::unique_ptr<Database> OpenDatabase(const OpenOptions& options) {
  return std::make_unique<EspalierDatabase>(options);
}

}  // namespace

Adapter EspalierAdapter() {
  return {.name = "espalier",
          .version = Version,
          .commits_survive_process_death = true,
          .settings = GetSettings,
          .open = OpenDatabase};
}

}  // namespace espalier::bench
