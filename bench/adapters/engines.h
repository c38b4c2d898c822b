// The adapters by engine, each defined in the file of its name.
#pragma once

#include "bench/adapters/adapter.h"

namespace espalier::bench {

Adapter RocksdbAdapter();
Adapter LmdbAdapter();          // MDB_NOSYNC: ordinary writes, read-only map
Adapter LmdbWritemapAdapter();  // MDB_NOSYNC | MDB_WRITEMAP
Adapter LeveldbAdapter();
Adapter WiredtigerAdapter();
Adapter SqliteAdapter();

}  // namespace espalier::bench
