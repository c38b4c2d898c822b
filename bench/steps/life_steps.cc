#include "bench/steps/life_steps.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "bench/adapters/die.h"
#include "bench/steps/read_steps.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kWarmingGets = 1'000'000;
constexpr uint64_t kStatBlockBytes = 512;

}  // namespace

double OpenDatabase(Workbench& bench, const StepOptions&) {
  bench.database = bench.adapter.open(bench.options);
  return 0;
}

double CloseDatabase(Workbench& bench, const StepOptions&) {
  bench.database.reset();
  return 0;
}

double SettleDatabase(Workbench& bench, const StepOptions&) {
  bench.database->Settle();
  return 0;
}

double FlushDatabase(Workbench& bench, const StepOptions&) {
  bench.database->Flush();
  return 0;
}

double CompactDatabase(Workbench& bench, const StepOptions&) {
  bench.database->Compact();
  return 0;
}

double WarmDatabase(Workbench& bench, const StepOptions& options) {
  ScanAll(bench);
  std::unique_ptr<Session> session = bench.database->NewSession();
  Random random(options.seed);
  GetAtRandom(bench, *session, random, std::min(bench.dataset().record_count(), kWarmingGets));
  return 0;
}

double DiskBytesOverRawBytes(Workbench& bench, const StepOptions&) {
  if (bench.database != nullptr) Die("bench", "size", "the database is open");
  return static_cast<double>(DiskBytes(bench.options.directory)) /
         static_cast<double>(bench.dataset().raw_bytes());
}

uint64_t DiskBytes(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code ignored;  // files come and go in an open database
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, ignored)) {
    struct stat status;
    if (stat(entry.path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      bytes += static_cast<uint64_t>(status.st_blocks) * kStatBlockBytes;
    }
  }
  return bytes;
}

}  // namespace espalier::bench
