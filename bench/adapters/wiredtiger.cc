// WiredTiger: a row-store B-tree with raw byte keys. Its default is to have no log, and that is the
// mode of the rows without sync: what was committed after the last checkpoint is gone after a
// crash. A durable database has the log, and a checkpoint after as much of it as Espalier takes one
// after.
#include <wiredtiger.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "bench/adapters/die.h"
#include "bench/adapters/engines.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kLogBytesBetweenCheckpoints = 128 << 20;
constexpr const char* kTable = "table:bench";
constexpr const char* kTableConfig = "key_format=u,value_format=u,type=file,block_compressor=none";

void Check(int code, std::string_view doing) {
  if (code != 0) Die("wiredtiger", doing, wiredtiger_strerror(code));
}

// Pages in memory are larger than on disk, and eviction starts at 80 % full: three times the data
// keeps it away.
uint64_t CacheBytes(const OpenOptions& options) {
  return options.memory_limit_bytes != 0 ? options.memory_limit_bytes / 2
                                         : options.data_bytes * 3 + (256 << 20);
}

std::string LogConfig(const OpenOptions& options) {
  if (!options.durable) return "log=(enabled=false),transaction_sync=(enabled=false)";
  return absl::StrCat("log=(enabled=true),transaction_sync=(enabled=true,method=fsync)",
                      ",checkpoint=(log_size=", kLogBytesBetweenCheckpoints, ")");
}

// With all in memory dirty pages may fill the cache; by default writers would have to evict from 20
// % on.
std::string ConnectionConfig(const OpenOptions& options) {
  std::string dirty =
      options.memory_limit_bytes != 0 ? "" : ",eviction_dirty_target=80,eviction_dirty_trigger=95";
  return absl::StrCat("create,statistics=(none),", LogConfig(options),
                      ",eviction=(threads_min=1,threads_max=2)", dirty,
                      ",cache_size=", CacheBytes(options));
}

WT_ITEM ToItem(std::string_view bytes) {
  WT_ITEM item{};
  item.data = bytes.data();
  item.size = bytes.size();
  return item;
}

std::string_view ToView(const WT_ITEM& item) {
  return {static_cast<const char*>(item.data), item.size};
}

class WiredtigerSession : public Session {
 public:
  explicit WiredtigerSession(WT_CONNECTION* connection) {
    Check(connection->open_session(connection, nullptr, nullptr, &session_), "open_session");
    Check(session_->open_cursor(session_, kTable, nullptr, "overwrite=true", &cursor_),
          "open_cursor");
  }

  ~WiredtigerSession() override { Check(session_->close(session_, nullptr), "WT_SESSION::close"); }

  void BeginRead() override { Begin(); }

  // Releases the cursor's page, then the snapshot.
  void EndRead() override {
    Check(cursor_->reset(cursor_), "WT_CURSOR::reset");
    Check(session_->commit_transaction(session_, nullptr), "commit_transaction");
  }

  std::string_view Get(std::string_view key) override {
    WT_ITEM item = ToItem(key);
    cursor_->set_key(cursor_, &item);
    int code = cursor_->search(cursor_);
    if (code == WT_NOTFOUND) return {};
    Check(code, "WT_CURSOR::search");
    return Value();
  }

  // The values must be valid together, and a cursor's value is only until its next move: hence the
  // copies.
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
    WT_ITEM item = ToItem(start);
    cursor_->set_key(cursor_, &item);
    int exact = 0;
    int code = cursor_->search_near(cursor_, &exact);
    if (code == 0 && exact < 0) code = cursor_->next(cursor_);
    while (code == 0) {
      touch(Value());
      if (touch.count() == limit) break;
      code = cursor_->next(cursor_);
    }
    if (code != WT_NOTFOUND) Check(code, "WT_CURSOR::next");
    return touch;
  }

  void BeginWrite() override { Begin(); }

  void Put(std::string_view key, std::string_view value) override {
    WT_ITEM key_item = ToItem(key);
    WT_ITEM value_item = ToItem(value);
    cursor_->set_key(cursor_, &key_item);
    cursor_->set_value(cursor_, &value_item);
    Check(cursor_->insert(cursor_), "WT_CURSOR::insert");
  }

  void Commit() override { EndRead(); }

 private:
  void Begin() {
    Check(session_->begin_transaction(session_, "isolation=snapshot"), "begin_transaction");
  }

  std::string_view Value() {
    WT_ITEM value{};
    Check(cursor_->get_value(cursor_, &value), "WT_CURSOR::get_value");
    return ToView(value);
  }

  WT_SESSION* session_ = nullptr;
  WT_CURSOR* cursor_ = nullptr;
  std::vector<std::string> copies_;
};

class WiredtigerDatabase : public Database {
 public:
  explicit WiredtigerDatabase(const OpenOptions& options) {
    Check(wiredtiger_open(options.directory.c_str(), nullptr, ConnectionConfig(options).c_str(),
                          &connection_),
          "wiredtiger_open");
    Check(connection_->open_session(connection_, nullptr, nullptr, &session_), "open_session");
    Check(session_->create(session_, kTable, kTableConfig), "WT_SESSION::create");
  }

  ~WiredtigerDatabase() override {
    Check(connection_->close(connection_, nullptr), "WT_CONNECTION::close");
  }

  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<WiredtigerSession>(connection_);
  }

  void BeginAppend() override {
    Check(session_->open_cursor(session_, kTable, nullptr, "bulk", &bulk_), "open_cursor bulk");
  }

  void Append(std::string_view key, std::string_view value) override {
    WT_ITEM key_item = ToItem(key);
    WT_ITEM value_item = ToItem(value);
    bulk_->set_key(bulk_, &key_item);
    bulk_->set_value(bulk_, &value_item);
    Check(bulk_->insert(bulk_), "bulk WT_CURSOR::insert");
  }

  void FinishAppend() override { Check(bulk_->close(bulk_), "bulk WT_CURSOR::close"); }

  void Settle() override { Flush(); }

  void Flush() override {
    Check(session_->checkpoint(session_, nullptr), "WT_SESSION::checkpoint");
  }

  void Compact() override {
    Flush();
    Check(session_->compact(session_, kTable, "timeout=0"), "WT_SESSION::compact");
    Flush();
  }

 private:
  WT_CONNECTION* connection_ = nullptr;
  WT_SESSION* session_ = nullptr;
  WT_CURSOR* bulk_ = nullptr;
};

}  // namespace

Adapter WiredtigerAdapter() {
  return {.name = "wiredtiger",
          .version =
              [] {
                return absl::StrCat(WIREDTIGER_VERSION_MAJOR, ".", WIREDTIGER_VERSION_MINOR, ".",
                                    WIREDTIGER_VERSION_PATCH);
              },
          .commits_survive_process_death = false,
          .settings = [](const OpenOptions& options) -> Settings {
            return {
                {"connection", ConnectionConfig(options)},
                {"table", kTableConfig},
                {"isolation", "snapshot"},
                {"log", options.durable ? "on" : "off (its default): checkpoints only"},
                {"sorted load", "bulk cursor"},
                {"multi-get", "none: a loop of search, values copied to be valid together"},
                {"before read rows", "checkpoint"},
            };
          },
          .open = [](const OpenOptions& options) -> std::unique_ptr<Database> {
            return std::make_unique<WiredtigerDatabase>(options);
          }};
}

}  // namespace espalier::bench
