#include "tests/crash/crash_totals.h"

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_workload.h"
#include "tests/crash/image_checker.h"

namespace espalier::testing {
namespace {

CrashLab::Statistics totals;

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
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    const double images = static_cast<double>(std::max<uint64_t>(totals.images, 1));
    std::printf(
        "all: %llu distinct images at %llu points, %.1f%% replayed the log, %llu violations; "
        "%.1f s, %.1f s of a processor, %.0f images/s of it\n",
        static_cast<unsigned long long>(totals.images),
        static_cast<unsigned long long>(totals.points),
        100 * static_cast<double>(totals.replayed) / images,
        static_cast<unsigned long long>(totals.violations), seconds, CpuSeconds(),
        images / CpuSeconds());
  }

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

const auto* const kPrintTotals =
    ::testing::AddGlobalTestEnvironment(std::make_unique<PrintTotals>().release());

}  // namespace

uint64_t WantedImages() {
  const char* const wanted = std::getenv("ESPALIER_CRASH_IMAGES");
  return wanted != nullptr ? std::stoull(wanted) : 20000;
}

uint64_t TotalImages() { return totals.images; }

void Account(const CrashLab& lab) {
  lab.Print();
  const CrashLab::Statistics& statistics = lab.statistics();
  totals.images += statistics.images;
  totals.replayed += statistics.replayed;
  totals.points += statistics.points;
  totals.violations += statistics.violations;
}

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
