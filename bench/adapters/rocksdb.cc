// RocksDB, as a plain DB: atomic WriteBatches, no transaction layer and no snapshots, which spares
// it work.
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "bench/adapters/die.h"
#include "bench/adapters/engines.h"

namespace espalier::bench {
namespace {

constexpr double kBloomBits = 10;
constexpr uint64_t kWriteBufferBytes = 64 << 20;
constexpr uint64_t kConstrainedWriteBufferBytes = 8 << 20;
constexpr uint64_t kIngestedFileBytes = 64 << 20;
constexpr int kBackgroundJobs = 2;

void Check(const rocksdb::Status& status, std::string_view doing) {
  if (!status.ok()) Die("rocksdb", doing, status.ToString());
}

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

uint64_t CacheBytes(const OpenOptions& options) {
  return options.memory_limit_bytes != 0 ? options.memory_limit_bytes / 2 : options.data_bytes * 2;
}

rocksdb::Options MakeOptions(const OpenOptions& open) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(CacheBytes(open));
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBits));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;

  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size =
      open.memory_limit_bytes != 0 ? kConstrainedWriteBufferBytes : kWriteBufferBytes;
  options.max_background_jobs = kBackgroundJobs;
  options.max_open_files = -1;
  options.level_compaction_dynamic_level_bytes = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

class RocksdbSession : public Session {
 public:
  RocksdbSession(rocksdb::DB* db, bool durable) : db_(db) { write_.sync = durable; }

  void BeginRead() override { iterator_is_fresh_ = false; }
  void EndRead() override {}

  std::string_view Get(std::string_view key) override {
    value_.Reset();
    rocksdb::Status status = db_->Get(read_, db_->DefaultColumnFamily(), ToSlice(key), &value_);
    if (status.IsNotFound()) return {};
    Check(status, "Get");
    return ToView(value_);
  }

  void MultiGet(std::span<const std::string_view> keys,
                std::span<std::string_view> values) override {
    slices_.resize(keys.size());
    values_.resize(keys.size());
    statuses_.resize(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      slices_[i] = ToSlice(keys[i]);
      values_[i].Reset();
    }
    db_->MultiGet(read_, db_->DefaultColumnFamily(), keys.size(), slices_.data(), values_.data(),
                  statuses_.data());
    for (size_t i = 0; i < keys.size(); ++i) {
      if (statuses_[i].IsNotFound()) {
        values[i] = {};
        continue;
      }
      Check(statuses_[i], "MultiGet");
      values[i] = ToView(values_[i]);
    }
  }

  Touch Scan(std::string_view start, uint64_t limit) override {
    if (iterator_ == nullptr) {
      iterator_.reset(db_->NewIterator(read_));
    } else if (!iterator_is_fresh_) {
      Check(iterator_->Refresh(), "Refresh");
    }
    iterator_is_fresh_ = true;
    Touch touch;
    for (iterator_->Seek(ToSlice(start)); iterator_->Valid(); iterator_->Next()) {
      touch(ToView(iterator_->value()));
      if (touch.count() == limit) break;
    }
    Check(iterator_->status(), "Iterator");
    return touch;
  }

  void BeginWrite() override { batch_.Clear(); }
  void Put(std::string_view key, std::string_view value) override {
    Check(batch_.Put(ToSlice(key), ToSlice(value)), "WriteBatch::Put");
  }
  void Commit() override { Check(db_->Write(write_, &batch_), "Write"); }

 private:
  rocksdb::DB* db_;
  rocksdb::ReadOptions read_;
  rocksdb::WriteOptions write_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool iterator_is_fresh_ = false;
  rocksdb::WriteBatch batch_;
  rocksdb::PinnableSlice value_;
  std::vector<rocksdb::Slice> slices_;
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
};

class RocksdbDatabase : public Database {
 public:
  explicit RocksdbDatabase(const OpenOptions& open)
      : durable_(open.durable), directory_(open.directory), options_(MakeOptions(open)) {
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(options_, directory_ + "/db", &db), "Open");
    db_.reset(db);
  }

  ~RocksdbDatabase() override { Check(db_->Close(), "Close"); }

  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<RocksdbSession>(db_.get(), durable_);
  }

  void BeginAppend() override {}

  void Append(std::string_view key, std::string_view value) override {
    if (writer_ == nullptr) {
      writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), options_);
      files_.push_back(absl::StrCat(directory_, "/append-", files_.size(), ".sst"));
      Check(writer_->Open(files_.back()), "SstFileWriter::Open");
    }
    Check(writer_->Put(ToSlice(key), ToSlice(value)), "SstFileWriter::Put");
    if (writer_->FileSize() >= kIngestedFileBytes) FinishFile();
  }

  void FinishAppend() override {
    FinishFile();
    rocksdb::IngestExternalFileOptions ingest;
    ingest.move_files = true;
    if (!files_.empty()) Check(db_->IngestExternalFile(files_, ingest), "IngestExternalFile");
    files_.clear();
  }

  void Settle() override {
    rocksdb::CompactRangeOptions compact;
    compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    Check(db_->CompactRange(compact, nullptr, nullptr), "CompactRange");
  }

  void Flush() override { Check(db_->FlushWAL(true), "FlushWAL"); }

  void Compact() override { Settle(); }

 private:
  void FinishFile() {
    if (writer_ == nullptr) return;
    Check(writer_->Finish(), "SstFileWriter::Finish");
    writer_.reset();
  }

  const bool durable_;
  std::string directory_;
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;
  std::vector<std::string> files_;
};

}  // namespace

Adapter RocksdbAdapter() {
  return {
      .name = "rocksdb",
      .version = [] { return absl::StrCat(ROCKSDB_MAJOR, ".", ROCKSDB_MINOR, ".", ROCKSDB_PATCH); },
      .commits_survive_process_death = true,
      .settings = [](const OpenOptions& open) -> Settings {
        return {
            {"block_cache", absl::StrCat("LRU, ", CacheBytes(open) >> 20, " MiB")},
            {"filter_policy", absl::StrCat("Bloom, ", kBloomBits, " bits a key")},
            {"data_block_index_type", "kDataBlockBinaryAndHash"},
            {"format_version", "5"},
            {"compression", "none"},
            {"write_buffer_size", absl::StrCat(MakeOptions(open).write_buffer_size >> 20, " MiB")},
            {"max_background_jobs", absl::StrCat(kBackgroundJobs)},
            {"level_compaction_dynamic_level_bytes", "true"},
            {"log", open.durable ? "on, sync = true" : "on, sync = false"},
            {"sorted load", absl::StrCat("SstFileWriter, files of ", kIngestedFileBytes >> 20,
                                         " MiB, IngestExternalFile with move_files")},
            {"multi-get", "native, into PinnableSlices"},
            {"before read rows", "CompactRange of everything, bottom level included"},
        };
      },
      .open = [](const OpenOptions& options) -> std::unique_ptr<Database> {
        return std::make_unique<RocksdbDatabase>(options);
      }};
}

}  // namespace espalier::bench
