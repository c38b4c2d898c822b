// The one interface through which every engine runs the same workloads; one file beside this one
// per engine.
//
// An adapter does what the call says in the way that suits its engine best (native multi-get,
// native bulk load, reused cursors and transactions), and nothing else. Nothing is synced to the
// device unless Flush() is called, or the database is opened as a durable one. A failing engine
// ends the process through Die(): a benchmark has nothing to recover.
#ifndef ESPALIER_BENCH_ADAPTERS_ADAPTER_H_
#define ESPALIER_BENCH_ADAPTERS_ADAPTER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/workload/dataset.h"

namespace espalier::bench {

struct OpenOptions {
  std::string directory;  // exists; holds this database and nothing else
  uint64_t data_bytes =
      0;  // raw key+value bytes that the database will hold: caches are sized from it
  uint64_t memory_limit_bytes = 0;  // what the process may use; 0 when the data and the caches fit
  uint64_t reader_threads = 1;
  // Session::Commit() returns only once the transaction survives loss of power. Sorted loads need
  // not.
  bool durable = false;
};

// Name and value of each setting that differs from the engine's default, as printed with the
// results.
using Settings = std::vector<std::pair<std::string, std::string>>;

// One thread's access; write transactions of several threads wait for each other or run side by
// side, as the engine can, and put different keys. Reads happen between BeginRead and EndRead, or
// between BeginWrite and Commit; writes only in the latter. A view that was returned holds until
// the next call on the session.
class Session {
 public:
  virtual ~Session() = default;

  virtual void BeginRead() = 0;
  virtual void EndRead() = 0;

  // The value, or a view whose data() is null where the key is absent.
  virtual std::string_view Get(std::string_view key) = 0;

  // `values` has the length of `keys`; all the views hold at the same time.
  virtual void MultiGet(std::span<const std::string_view> keys,
                        std::span<std::string_view> values) = 0;

  // Visits up to `limit` records in key order from the first key that is not below `start`, and
  // touches each value. Keys are not asked for where the engine can deliver a value without.
  virtual Touch Scan(std::string_view start, uint64_t limit) = 0;

  virtual void BeginWrite() = 0;
  // The same for a transaction that only puts, by what the engine has for that.
  virtual void BeginPuts() { BeginWrite(); }
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Commit() = 0;
};

// One open database. The destructor closes it the way a careful program would.
class Database {
 public:
  virtual ~Database() = default;

  virtual std::unique_ptr<Session> NewSession() = 0;

  // Loads an empty database with keys in ascending order, between BeginAppend and FinishAppend and
  // with no session open: the engine's own bulk load where it has one. All is visible after
  // FinishAppend.
  virtual void BeginAppend() = 0;
  virtual void Append(std::string_view key, std::string_view value) = 0;
  virtual void FinishAppend() = 0;

  // Brings the database to the state in which its maker would measure reads: log-structured engines
  // flush and compact everything, others checkpoint if they have such a thing, trees stay as the
  // load left them.
  virtual void Settle() = 0;

  // Makes everything committed durable on the device by whatever the engine has for it.
  virtual void Flush() = 0;

  // Shrinks the files as far as the engine can. No session may be open.
  virtual void Compact() = 0;
};

struct Adapter {
  std::string_view name;
  std::string (*version)();
  // Whether, as it runs here, a commit outlives the process without Flush(). If not, what came
  // after the last checkpoint goes with the process.
  bool commits_survive_process_death;
  Settings (*settings)(const OpenOptions&);
  std::unique_ptr<Database> (*open)(
      const OpenOptions&);  // creates the database where there is none
};

// Every engine that this binary holds.
std::span<const Adapter> AllAdapters();

// The adapter called `name`, or null.
const Adapter* FindAdapter(std::string_view name);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_ADAPTERS_ADAPTER_H_
