// LMDB, with an ordinary and with a writable map. Sync is off (MDB_NOSYNC) unless the database is
// durable: a commit reaches the page cache, and Flush() is mdb_env_sync.
#include <lmdb.h>

#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "bench/adapters/die.h"
#include "bench/adapters/engines.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kAppendsPerTransaction =
    100'000;  // beyond LMDB's dirty list it would start to spill
constexpr mdb_mode_t kFileMode = 0644;

void Check(int code, std::string_view doing) {
  if (code != MDB_SUCCESS) Die("lmdb", doing, mdb_strerror(code));
}

MDB_val ToVal(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }

std::string_view ToView(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

// Address space only: far more than any row needs (an idle reader makes the file grow without end).
uint64_t MapSize(const OpenOptions& options) { return options.data_bytes * 8 + (64ull << 30); }

// Readahead reads 16 pages for one on random access; with the data in memory it never matters, but
// the larger folios that come of it make random reads cheaper.
unsigned ReadaheadFlag(const OpenOptions& options) {
  return options.memory_limit_bytes != 0 ? MDB_NORDAHEAD : 0;
}

unsigned SyncFlag(const OpenOptions& options) { return options.durable ? 0 : MDB_NOSYNC; }

class LmdbSession : public Session {
 public:
  LmdbSession(MDB_env* env, MDB_dbi dbi) : env_(env), dbi_(dbi) {}

  ~LmdbSession() override {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
    if (reader_ != nullptr) mdb_txn_abort(reader_);
  }

  void BeginRead() override {
    if (reader_ == nullptr) {
      Check(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reader_), "mdb_txn_begin");
    } else {
      Check(mdb_txn_renew(reader_), "mdb_txn_renew");
    }
    cursor_is_fresh_ = false;
    txn_ = reader_;
  }

  void EndRead() override { mdb_txn_reset(reader_); }

  std::string_view Get(std::string_view key) override {
    MDB_val key_val = ToVal(key);
    MDB_val value;
    int code = mdb_get(txn_, dbi_, &key_val, &value);
    if (code == MDB_NOTFOUND) return {};
    Check(code, "mdb_get");
    return ToView(value);
  }

  void MultiGet(std::span<const std::string_view> keys,
                std::span<std::string_view> values) override {
    for (size_t i = 0; i < keys.size(); ++i) values[i] = Get(keys[i]);
  }

  Touch Scan(std::string_view start, uint64_t limit) override {
    MDB_cursor* cursor = FreshCursor();
    Touch touch;
    MDB_val key = ToVal(start);
    MDB_val value;
    int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == MDB_SUCCESS) {
      touch(ToView(value));
      if (touch.count() == limit) break;
      code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (code != MDB_NOTFOUND) Check(code, "mdb_cursor_get");
    return touch;
  }

  void BeginWrite() override { Check(mdb_txn_begin(env_, nullptr, 0, &txn_), "mdb_txn_begin"); }

  void Put(std::string_view key, std::string_view value) override {
    MDB_val key_val = ToVal(key);
    MDB_val value_val = ToVal(value);
    Check(mdb_put(txn_, dbi_, &key_val, &value_val, 0), "mdb_put");
  }

  void Commit() override { Check(mdb_txn_commit(txn_), "mdb_txn_commit"); }

 private:
  MDB_cursor* FreshCursor() {
    if (cursor_ == nullptr) {
      Check(mdb_cursor_open(txn_, dbi_, &cursor_), "mdb_cursor_open");
    } else if (!cursor_is_fresh_) {
      Check(mdb_cursor_renew(txn_, cursor_), "mdb_cursor_renew");
    }
    cursor_is_fresh_ = true;
    return cursor_;
  }

  MDB_env* env_;
  MDB_dbi dbi_;
  MDB_txn* reader_ = nullptr;  // reset between reads, renewed for the next
  MDB_txn* txn_ = nullptr;     // the running transaction: reader_ or a writer
  MDB_cursor* cursor_ = nullptr;
  bool cursor_is_fresh_ = false;
};

class LmdbDatabase : public Database {
 public:
  LmdbDatabase(const OpenOptions& options, unsigned flags)
      : path_(options.directory + "/data.mdb"),
        flags_(flags | ReadaheadFlag(options) | SyncFlag(options)),
        map_size_(MapSize(options)) {
    Open();
  }

  ~LmdbDatabase() override { mdb_env_close(env_); }

  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<LmdbSession>(env_, dbi_);
  }

  void BeginAppend() override {}

  void Append(std::string_view key, std::string_view value) override {
    if (append_txn_ == nullptr) {
      Check(mdb_txn_begin(env_, nullptr, 0, &append_txn_), "mdb_txn_begin");
      Check(mdb_cursor_open(append_txn_, dbi_, &append_cursor_), "mdb_cursor_open");
    }
    MDB_val key_val = ToVal(key);
    MDB_val value_val = ToVal(value);
    Check(mdb_cursor_put(append_cursor_, &key_val, &value_val, MDB_APPEND), "mdb_cursor_put");
    if (++appended_ % kAppendsPerTransaction == 0) FinishAppend();
  }

  void FinishAppend() override {
    if (append_txn_ == nullptr) return;
    mdb_cursor_close(append_cursor_);
    Check(mdb_txn_commit(append_txn_), "mdb_txn_commit");
    append_txn_ = nullptr;
  }

  void Settle() override {}

  void Flush() override { Check(mdb_env_sync(env_, 1), "mdb_env_sync"); }

  // LMDB compacts into a copy only; the copy then takes the original's place.
  void Compact() override {
    std::string copy = path_ + ".compact";
    Check(mdb_env_copy2(env_, copy.c_str(), MDB_CP_COMPACT), "mdb_env_copy2");
    mdb_env_close(env_);
    if (std::rename(copy.c_str(), path_.c_str()) != 0) Die("lmdb", "rename", copy);
    Open();
  }

 private:
  void Open() {
    Check(mdb_env_create(&env_), "mdb_env_create");
    Check(mdb_env_set_mapsize(env_, map_size_), "mdb_env_set_mapsize");
    Check(mdb_env_open(env_, path_.c_str(), flags_ | MDB_NOSUBDIR | MDB_NOTLS, kFileMode),
          "mdb_env_open");
    MDB_txn* txn = nullptr;
    Check(mdb_txn_begin(env_, nullptr, 0, &txn), "mdb_txn_begin");
    Check(mdb_dbi_open(txn, nullptr, 0, &dbi_), "mdb_dbi_open");
    Check(mdb_txn_commit(txn), "mdb_txn_commit");
  }

  std::string path_;
  unsigned flags_;
  uint64_t map_size_;
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
  MDB_txn* append_txn_ = nullptr;
  MDB_cursor* append_cursor_ = nullptr;
  uint64_t appended_ = 0;
};

std::string Version() {
  return absl::StrCat(MDB_VERSION_MAJOR, ".", MDB_VERSION_MINOR, ".", MDB_VERSION_PATCH);
}

Settings CommonSettings(const OpenOptions& options, std::string flags) {
  flags += "MDB_NOTLS MDB_NOSUBDIR";
  if (SyncFlag(options) != 0) flags += " MDB_NOSYNC";
  if (ReadaheadFlag(options) != 0) flags += " MDB_NORDAHEAD";
  return {
      {"flags", flags},
      {"map size", absl::StrCat(MapSize(options) >> 30, " GiB")},
      {"sorted load",
       absl::StrCat("MDB_APPEND on a cursor, ", kAppendsPerTransaction, " records a transaction")},
      {"readers",
       "one transaction a thread, mdb_txn_reset / mdb_txn_renew; one cursor, mdb_cursor_renew"},
      {"multi-get", "none: a loop of mdb_get"},
      {"compact", "mdb_env_copy2 with MDB_CP_COMPACT, the copy replaces the original"},
  };
}

}  // namespace

Adapter LmdbAdapter() {
  return {.name = "lmdb",
          .version = Version,
          .commits_survive_process_death = true,
          .settings = [](const OpenOptions& options) { return CommonSettings(options, ""); },
          .open = [](const OpenOptions& options) -> std::unique_ptr<Database> {
            return std::make_unique<LmdbDatabase>(options, 0);
          }};
}

Adapter LmdbWritemapAdapter() {
  return {.name = "lmdb-writemap",
          .version = Version,
          .commits_survive_process_death = true,
          .settings =
              [](const OpenOptions& options) { return CommonSettings(options, "MDB_WRITEMAP "); },
          .open = [](const OpenOptions& options) -> std::unique_ptr<Database> {
            return std::make_unique<LmdbDatabase>(options, MDB_WRITEMAP);
          }};
}

}  // namespace espalier::bench
