#include "tests/crash/crash_totals.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/crash/crash_workload.h"
#include "tests/crash/image_checker.h"

namespace espalier::testing {
namespace {

std::vector<std::pair<std::string, CrashLab::Statistics>> generators;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

class PrintTotals : public ::testing::Environment {
 public:
  // Every recovery has buffers of a megabyte: the kernel need not make them anew each time.
  void SetUp() override {
    mallopt(M_MMAP_THRESHOLD, 1 << 28);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
  }

  void TearDown() override {
    if (generators.empty()) return;
    CrashLab::Statistics all;
    for (const auto& [name, statistics] : generators) {
      all.images += statistics.images;
      all.replayed += statistics.replayed;
      all.points += statistics.points;
      all.violations += statistics.violations;
    }
    for (const auto& [name, statistics] : generators) Print(name, statistics, all.images);
    Print("all", all, all.images);
    const double seconds = CpuSeconds();
    std::printf("%.1f s of a processor, %.0f images/s\n", seconds,
                static_cast<double>(all.images) / seconds);
  }

 private:
  static double Percent(uint64_t part, uint64_t all) {
    return 100 * static_cast<double>(part) / static_cast<double>(std::max<uint64_t>(all, 1));
  }
  static void Print(const std::string& name, const CrashLab::Statistics& statistics,
                    uint64_t all_images) {
    std::printf(
        "%-16s %8llu distinct images, %5.1f%% of all; %8llu points; %5.1f%% of the images had "
        "transactions to replay; %llu violations\n",
        name.c_str(), static_cast<unsigned long long>(statistics.images),
        Percent(statistics.images, all_images), static_cast<unsigned long long>(statistics.points),
        Percent(statistics.replayed, statistics.images),
        static_cast<unsigned long long>(statistics.violations));
  }
};

const auto* const kPrintTotals =
    ::testing::AddGlobalTestEnvironment(std::make_unique<PrintTotals>().release());

}  // namespace

uint64_t WantedImages() {
  const char* const wanted = std::getenv("ESPALIER_CRASH_IMAGES");
  return wanted != nullptr ? std::stoull(wanted) : 20000;
}

uint64_t TotalImages() {
  uint64_t images = 0;
  for (const auto& [name, statistics] : generators) images += statistics.images;
  return images;
}

void Account(const CrashLab& lab) { generators.emplace_back(lab.generator(), lab.statistics()); }

CrashedDatabase SmallDatabase() {
  CrashLab lab("preparation", 1);
  CrashWorkload workload(lab, {}, std::nullopt);
  for (const Operation operation : {Operation::kPut, Operation::kPut, Operation::kPut,
                                    Operation::kLargeValue, Operation::kCreateKeyspace}) {
    workload.Perform(operation);
  }
  workload.Close();
  EXPECT_EQ(workload.problem(), "");
  return {ReadDirectory(workload.directory()), std::make_shared<Contents>(workload.contents())};
}

}  // namespace espalier::testing
