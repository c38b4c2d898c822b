#include <array>

#include "bench/adapters/adapter.h"
#include "bench/adapters/engines.h"

namespace espalier::bench {

std::span<const Adapter> AllAdapters() {
  static const std::array kAdapters = {
      EspalierAdapter(), RocksdbAdapter(),    LmdbAdapter(),   LmdbWritemapAdapter(),
      LeveldbAdapter(),  WiredtigerAdapter(), SqliteAdapter(),
  };
  return kAdapters;
}

const Adapter* FindAdapter(std::string_view name) {
  for (const Adapter& adapter : AllAdapters()) {
    if (adapter.name == name) return &adapter;
  }
  return nullptr;
}

}  // namespace espalier::bench
