// LevelDB. It has no transactions beyond the atomic WriteBatch, and no snapshot is taken for reads:
// both spare it work.
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "bench/adapters/die.h"
#include "bench/adapters/engines.h"

namespace espalier::bench {
namespace {

constexpr int kBloomBits = 10;
constexpr uint64_t kWriteBufferBytes = 64 << 20;
constexpr uint64_t kConstrainedWriteBufferBytes = 8 << 20;
constexpr uint64_t kMaxFileBytes = 64 << 20;
constexpr int kMaxOpenFiles =
    10'000;  // all of them, so the first 1,000 tables are read through maps
constexpr uint64_t kAppendsPerBatch = 1'000;

void Check(const leveldb::Status& status, std::string_view doing) {
  if (!status.ok()) Die("leveldb", doing, status.ToString());
}

leveldb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

uint64_t CacheBytes(const OpenOptions& options) {
  return options.memory_limit_bytes != 0 ? options.memory_limit_bytes / 4 : options.data_bytes * 2;
}

uint64_t WriteBufferBytes(const OpenOptions& options) {
  return options.memory_limit_bytes != 0 ? kConstrainedWriteBufferBytes : kWriteBufferBytes;
}

class LeveldbSession : public Session {
 public:
  LeveldbSession(leveldb::DB* db, bool durable) : db_(db) { write_.sync = durable; }

  void BeginRead() override { iterator_.reset(); }
  void EndRead() override {}

  std::string_view Get(std::string_view key) override { return GetInto(key, value_); }

  void MultiGet(std::span<const std::string_view> keys,
                std::span<std::string_view> values) override {
    values_.resize(std::max(values_.size(), keys.size()));
    for (size_t i = 0; i < keys.size(); ++i) values[i] = GetInto(keys[i], values_[i]);
  }

  Touch Scan(std::string_view start, uint64_t limit) override {
    if (iterator_ == nullptr) iterator_.reset(db_->NewIterator({}));
    Touch touch;
    for (iterator_->Seek(ToSlice(start)); iterator_->Valid(); iterator_->Next()) {
      leveldb::Slice value = iterator_->value();
      touch({value.data(), value.size()});
      if (touch.count() == limit) break;
    }
    Check(iterator_->status(), "Iterator");
    return touch;
  }

  void BeginWrite() override { batch_.Clear(); }
  void Put(std::string_view key, std::string_view value) override {
    batch_.Put(ToSlice(key), ToSlice(value));
  }
  void Commit() override { Check(db_->Write(write_, &batch_), "Write"); }

 private:
  std::string_view GetInto(std::string_view key, std::string& value) {
    leveldb::Status status = db_->Get({}, ToSlice(key), &value);
    if (status.IsNotFound()) return {};
    Check(status, "Get");
    return value;
  }

  leveldb::DB* db_;
  leveldb::WriteOptions write_;
  std::unique_ptr<leveldb::Iterator> iterator_;  // as old as the running read
  leveldb::WriteBatch batch_;
  std::string value_;
  std::vector<std::string> values_;
};

class LeveldbDatabase : public Database {
 public:
  explicit LeveldbDatabase(const OpenOptions& open)
      : durable_(open.durable),
        cache_(leveldb::NewLRUCache(CacheBytes(open))),
        filter_(leveldb::NewBloomFilterPolicy(kBloomBits)) {
    leveldb::Options options;
    options.create_if_missing = true;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    options.compression = leveldb::kNoCompression;
    options.write_buffer_size = WriteBufferBytes(open);
    options.max_file_size = kMaxFileBytes;
    options.max_open_files = kMaxOpenFiles;
    leveldb::DB* db = nullptr;
    Check(leveldb::DB::Open(options, open.directory + "/db", &db), "Open");
    db_.reset(db);
  }

  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<LeveldbSession>(db_.get(), durable_);
  }

  void BeginAppend() override {}

  void Append(std::string_view key, std::string_view value) override {
    batch_.Put(ToSlice(key), ToSlice(value));
    if (++appended_ % kAppendsPerBatch == 0) FinishAppend();
  }

  void FinishAppend() override {
    Check(db_->Write({}, &batch_), "Write");
    batch_.Clear();
  }

  void Settle() override { db_->CompactRange(nullptr, nullptr); }

  void Flush() override {
    leveldb::WriteOptions sync;
    sync.sync = true;
    leveldb::WriteBatch empty;
    Check(db_->Write(sync, &empty), "Write with sync");
  }

  void Compact() override { db_->CompactRange(nullptr, nullptr); }

 private:
  const bool durable_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> db_;
  leveldb::WriteBatch batch_;
  uint64_t appended_ = 0;
};

}  // namespace

Adapter LeveldbAdapter() {
  return {
      .name = "leveldb",
      .version = [] { return absl::StrCat(leveldb::kMajorVersion, ".", leveldb::kMinorVersion); },
      .commits_survive_process_death = true,
      .settings = [](const OpenOptions& options) -> Settings {
        return {
            {"block_cache", absl::StrCat(CacheBytes(options) >> 20, " MiB")},
            {"filter_policy", absl::StrCat("Bloom, ", kBloomBits, " bits a key")},
            {"compression", "none"},
            {"write_buffer_size", absl::StrCat(WriteBufferBytes(options) >> 20, " MiB")},
            {"max_file_size", absl::StrCat(kMaxFileBytes >> 20, " MiB")},
            {"max_open_files", absl::StrCat(kMaxOpenFiles)},
            {"log", options.durable ? "on, sync = true" : "on, sync = false"},
            {"sorted load", absl::StrCat("batches of ", kAppendsPerBatch, " in key order")},
            {"multi-get", "none: a loop of Get"},
            {"before read rows", "CompactRange of everything"},
        };
      },
      .open = [](const OpenOptions& options) -> std::unique_ptr<Database> {
        return std::make_unique<LeveldbDatabase>(options);
      }};
}

}  // namespace espalier::bench
