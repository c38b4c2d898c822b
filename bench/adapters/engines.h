// The adapters by engine, each defined in the file of its name.
#ifndef ESPALIER_BENCH_ADAPTERS_ENGINES_H_
#define ESPALIER_BENCH_ADAPTERS_ENGINES_H_

#include "bench/adapters/adapter.h"

namespace espalier::bench {

Adapter EspalierAdapter();
Adapter RocksdbAdapter();
Adapter LmdbAdapter();          // ordinary writes, read-only map
Adapter LmdbWritemapAdapter();  // MDB_WRITEMAP
Adapter LeveldbAdapter();
Adapter WiredtigerAdapter();
Adapter SqliteAdapter();

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_ADAPTERS_ENGINES_H_
