// Crashes a database: takes images of it at every point where the power could fail, opens each, and
// compares what is found with what was committed. Counts what it did, by the generator of the
// workloads.
#ifndef ESPALIER_TESTS_CRASH_CRASH_LAB_H_
#define ESPALIER_TESTS_CRASH_CRASH_LAB_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tests/crash/commit_history.h"
#include "tests/crash/disk_image.h"
#include "tests/crash/image_checker.h"
#include "tests/crash/recorded_disk.h"

namespace espalier::testing {

struct CrashBudget {
  uint64_t exhaustive = 256;  // all images of a point that has at most so many
  uint64_t sampled = 24;      // of another
};

// An image with what it must hold.
struct CrashedDatabase {
  DirectoryImage image;
  std::shared_ptr<const Contents> contents;
};

class CrashLab {
 public:
  struct Statistics {
    uint64_t images = 0;    // distinct
    uint64_t replayed = 0;  // of these
    uint64_t points = 0;
    uint64_t violations = 0;
  };

  CrashLab(std::string generator, uint64_t seed)
      : random_(seed), generator_(std::move(generator)) {}

  // The power fails now. What is wrong first, or nothing.
  std::string Crash(std::string_view where, const RecordedDisk& disk, const CommitHistory& history,
                    const CrashBudget& budget);

  // Keeps every n-th image of which the log was replayed, to crash its recovery; 0: none.
  void KeepEvery(uint64_t n) { keep_every_ = n; }
  std::vector<CrashedDatabase> TakeKept() { return std::exchange(kept_, {}); }

  const std::string& generator() const { return generator_; }
  const Statistics& statistics() const { return statistics_; }

 private:
  std::string CheckImage(const DirectoryImage& image, const CommitHistory& history,
                         const CommitHistory::Window& window);

  std::mt19937_64 random_;
  const std::string generator_;
  ImageChecker checker_;
  // By the image's hash. The same image may come again when more has been acknowledged.
  std::unordered_map<uint64_t, ImageChecker::Outcome> seen_;
  uint64_t keep_every_ = 0;
  std::vector<CrashedDatabase> kept_;
  Statistics statistics_;
};

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_CRASH_CRASH_LAB_H_
