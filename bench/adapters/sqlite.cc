// SQLite as a key-value store: one WITHOUT ROWID table, prepared statements, one connection a
// session.
#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "bench/adapters/die.h"
#include "bench/adapters/engines.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kAppendsPerTransaction = 100'000;
// Of SQLite's default page size. As much log between two checkpoints as the log-structured engines
// have in a write buffer.
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kCheckpointPages = 16'384;
constexpr uint64_t kConstrainedCheckpointPages = 1'000;  // SQLite's default

uint64_t CheckpointPages(const OpenOptions& options) {
  return options.memory_limit_bytes != 0 ? kConstrainedCheckpointPages : kCheckpointPages;
}

uint64_t CacheBytes(const OpenOptions& options) {
  return options.memory_limit_bytes != 0 ? options.memory_limit_bytes / 4 : options.data_bytes * 2;
}

std::string Synchronous(const OpenOptions& options) {
  return options.durable ? "PRAGMA synchronous=FULL; " : "PRAGMA synchronous=OFF; ";
}

std::string Pragmas(const OpenOptions& options) {
  return absl::StrCat("PRAGMA journal_mode=WAL; ", Synchronous(options),
                      "PRAGMA mmap_size=", 1ll << 40, "; PRAGMA cache_size=-",
                      CacheBytes(options) >> 10, "; PRAGMA temp_store=MEMORY;");
}

constexpr const char* kCreate =
    "CREATE TABLE IF NOT EXISTS bench (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID";

// One connection and the statements prepared on it.
class Connection {
 public:
  explicit Connection(const OpenOptions& options) : checkpoint_pages_(CheckpointPages(options)) {
    std::string path = options.directory + "/bench.sqlite";
    // No mutexes: a connection stays with its session's thread.
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    Check(sqlite3_open_v2(path.c_str(), &db_, flags, nullptr), "sqlite3_open_v2");
    Execute(Pragmas(options).c_str());
    Execute(kCreate);
    sqlite3_wal_hook(db_, OnCommit, this);
  }

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  ~Connection() {
    for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
    Check(sqlite3_close(db_), "sqlite3_close");
  }

  void Check(int code, std::string_view doing) const {
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
      Die("sqlite", doing, db_ != nullptr ? sqlite3_errmsg(db_) : sqlite3_errstr(code));
    }
  }

  void Execute(const char* sql) const {
    Check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), sql);
  }

  sqlite3_stmt* Prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr), sql);
    statements_.push_back(statement);
    return statement;
  }

  int Step(sqlite3_stmt* statement) const {
    int code = sqlite3_step(statement);
    Check(code, "sqlite3_step");
    return code;
  }

  void Run(sqlite3_stmt* statement) const {
    Step(statement);
    sqlite3_reset(statement);
  }

  sqlite3* db() const { return db_; }

 private:
  // PRAGMA wal_autocheckpoint tries again at every commit while a reader holds the checkpoint up,
  // and sorts the whole log each time: with a reader that stays, a commit soon takes milliseconds.
  static int OnCommit(void* self, sqlite3* db, const char* schema, int log_pages) {
    auto& connection = *static_cast<Connection*>(self);
    auto pages = static_cast<uint64_t>(log_pages);
    if (pages < connection.tried_at_pages_) connection.tried_at_pages_ = 0;  // the log began anew
    if (pages - connection.tried_at_pages_ < connection.checkpoint_pages_) return SQLITE_OK;
    connection.tried_at_pages_ = pages;
    sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    return SQLITE_OK;
  }

  const uint64_t checkpoint_pages_;
  uint64_t tried_at_pages_ = 0;  // length of the log at the last attempt to checkpoint
  sqlite3* db_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

void Bind(sqlite3_stmt* statement, int column, std::string_view bytes) {
  sqlite3_bind_blob(statement, column, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
}

std::string_view Column(sqlite3_stmt* statement, int column) {
  const void* data = sqlite3_column_blob(statement, column);
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

class SqliteSession : public Session {
 public:
  SqliteSession(const OpenOptions& options, std::mutex& writer)
      : connection_(options),
        writer_(writer, std::defer_lock),
        begin_read_(connection_.Prepare("BEGIN")),
        begin_write_(connection_.Prepare("BEGIN IMMEDIATE")),
        commit_(connection_.Prepare("COMMIT")),
        get_(connection_.Prepare("SELECT v FROM bench WHERE k = ?1")),
        scan_(connection_.Prepare("SELECT v FROM bench WHERE k >= ?1 ORDER BY k")),
        put_(connection_.Prepare("INSERT INTO bench (k, v) VALUES (?1, ?2) "
                                 "ON CONFLICT (k) DO UPDATE SET v = excluded.v")) {}

  void BeginRead() override { connection_.Run(begin_read_); }

  void EndRead() override { EndTransaction(); }

  std::string_view Get(std::string_view key) override {
    sqlite3_reset(get_);
    Bind(get_, 1, key);
    if (connection_.Step(get_) != SQLITE_ROW) return {};
    return Column(get_, 0);
  }

  // A column's bytes are valid until the statement's next step: hence the copies.
  void MultiGet(std::span<const std::string_view> keys,
                std::span<std::string_view> values) override {
    copies_.resize(std::max(copies_.size(), keys.size()));
    for (size_t i = 0; i < keys.size(); ++i) {
      std::string_view value = Get(keys[i]);
      if (value.data() == nullptr) {
        values[i] = {};
        continue;
      }
      values[i] = copies_[i].assign(value);
    }
  }

  Touch Scan(std::string_view start, uint64_t limit) override {
    Touch touch;
    Bind(scan_, 1, start);
    while (touch.count() < limit && connection_.Step(scan_) == SQLITE_ROW) touch(Column(scan_, 0));
    sqlite3_reset(scan_);
    return touch;
  }

  void BeginWrite() override {
    writer_.lock();
    connection_.Run(begin_write_);
  }

  void Put(std::string_view key, std::string_view value) override {
    Bind(put_, 1, key);
    Bind(put_, 2, value);
    connection_.Run(put_);
  }

  void Commit() override {
    EndTransaction();
    writer_.unlock();
  }

 private:
  void EndTransaction() {
    sqlite3_reset(get_);
    connection_.Run(commit_);
  }

  Connection connection_;
  // Writers of SQLite that find another one sleep and try again; a lock spares them that.
  std::unique_lock<std::mutex> writer_;
  sqlite3_stmt* begin_read_;
  sqlite3_stmt* begin_write_;
  sqlite3_stmt* commit_;
  sqlite3_stmt* get_;
  sqlite3_stmt* scan_;
  sqlite3_stmt* put_;
  std::vector<std::string> copies_;
};

class SqliteDatabase : public Database {
 public:
  explicit SqliteDatabase(const OpenOptions& options)
      : options_(options),
        connection_(options),
        insert_(connection_.Prepare("INSERT INTO bench VALUES (?1, ?2)")) {}

  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<SqliteSession>(options_, writer_);
  }

  void BeginAppend() override { connection_.Execute("BEGIN IMMEDIATE"); }

  void Append(std::string_view key, std::string_view value) override {
    Bind(insert_, 1, key);
    Bind(insert_, 2, value);
    connection_.Run(insert_);
    if (++appended_ % kAppendsPerTransaction == 0) connection_.Execute("COMMIT; BEGIN IMMEDIATE");
  }

  void FinishAppend() override { connection_.Execute("COMMIT"); }

  void Settle() override { connection_.Execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

  void Flush() override {
    connection_.Execute(absl::StrCat("PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(TRUNCATE); ",
                                     Synchronous(options_))
                            .c_str());
  }

  void Compact() override {
    connection_.Execute("VACUUM");
    Settle();
  }

 private:
  OpenOptions options_;
  std::mutex writer_;
  Connection connection_;
  sqlite3_stmt* insert_;
  uint64_t appended_ = 0;
};

}  // namespace

Adapter SqliteAdapter() {
  return {.name = "sqlite",
          .version = [] { return std::string(sqlite3_libversion()); },
          .commits_survive_process_death = true,
          .settings = [](const OpenOptions& options) -> Settings {
            return {
                {"pragmas", Pragmas(options)},
                {"table", kCreate},
                {"checkpoints", absl::StrCat("passive, whenever the log has grown by ",
                                             CheckpointPages(options) * kPageBytes >> 20, " MiB")},
                {"connection", "SQLITE_OPEN_NOMUTEX, one a thread; writers take turns by a mutex"},
                {"statements", "prepared once, SQLITE_PREPARE_PERSISTENT"},
                {"sorted load",
                 absl::StrCat("INSERT in key order, ", kAppendsPerTransaction, " a transaction")},
                {"multi-get", "none: a loop of SELECT, values copied to be valid together"},
                {"before read rows", "wal_checkpoint(TRUNCATE)"},
            };
          },
          .open = [](const OpenOptions& options) -> std::unique_ptr<Database> {
            return std::make_unique<SqliteDatabase>(options);
          }};
}

}  // namespace espalier::bench
