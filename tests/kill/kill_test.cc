// A writer is killed with SIGKILL at a random moment, opening and recovery included; the next
// process finds everything that was acknowledged, kAsync too, since the page cache outlives the
// process; nothing in part, and nothing that was not attempted. The database lives on from one kill
// to the next.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/kill/check.h"
#include "tests/kill/writer.h"
#include "tests/support/child_process.h"
#include "tests/support/random_data.h"
#include "tests/support/shared_memory.h"

namespace espalier::testing {
namespace {

using std::chrono::microseconds;

// $ESPALIER_KILLS, which the long target sets.
int Kills() {
  const char* const chosen = std::getenv("ESPALIER_KILLS");
  return chosen != nullptr ? std::atoi(chosen) : 300;
}

// Half of them at any time in 150 milliseconds, in which the log goes round; the others mostly at
// the beginning, while the database is being opened.
microseconds RandomDelay(Random& random) {
  const uint64_t limit = OneIn(random, 2) ? 150000 : uint64_t{200} << Below(random, 10);
  return microseconds(Below(random, limit));
}

class KillTest : public ::testing::Test {
 protected:
  // Kills writers until a check finds something, `kills` times at most.
  std::string KillOver(int kills, uint64_t seed, Dishonesty dishonesty,
                       const Options& options = WriterOptions()) {
    Random random(seed);
    ThreadModels models = NewModels(seed);
    for (int i = 0; i < kills; ++i) {
      const microseconds delay = RandomDelay(random);
      const WriterTask task = {
          .path = path_, .options = options, .seed = seed, .dishonesty = dishonesty};
      const std::optional<std::string> ended =
          RunAndKill([&] { return RunWriter(task, *ledger_); }, delay);
      if (ended.has_value()) return absl::StrCat("kill ", i, ": the writer ended: ", *ended);
      // At times the next to find what is left is a writer again, which is killed in its recovery.
      if (OneIn(random, 4)) {
        WriterTask opening = task;
        opening.commits = 0;
        const std::optional<std::string> opened = RunAndKill(
            [&] { return RunWriter(opening, *ledger_); }, microseconds(Below(random, 5000)));
        if (opened.has_value() && !opened->empty()) {
          return absl::StrCat("kill ", i, ", reopening: ", *opened);
        }
      }
      const AfterCheck after = OneIn(random, 3) ? AfterCheck::kClose : AfterCheck::kAbandon;
      const std::string problems = CheckInChild(path_, models, *ledger_, after);
      if (!problems.empty()) {
        return absl::StrCat("kill ", i, " after ", delay.count(), " us:\n", problems);
      }
    }
    return "";
  }

  void ExpectNothingIsLost(int kills, const Options& options) {
    EXPECT_EQ(KillOver(kills, TestSeed(), Dishonesty::kNone, options), "");
    std::printf("%d kills, %llu commits survived\n", kills,
                static_cast<unsigned long long>(Commits()));
    EXPECT_GT(Commits(), static_cast<uint64_t>(kills)) << "the writers do not get to work";
  }

  uint64_t Commits() const {
    uint64_t commits = 0;
    for (const Ledger::Thread& thread : ledger_->threads) commits += thread.found.load();
    return commits;
  }

  const os::TempDir dir_;
  const std::string path_ = dir_.File("db.esp");
  SharedMemory<Ledger> ledger_;
};

TEST_F(KillTest, NothingAcknowledgedIsLost) {
  ExpectNothingIsLost(Kills() - Kills() / 5, WriterOptions());
}

TEST_F(KillTest, NorWithOtherOptions) {
  Options options = WriterOptions();
  options.page_size_bytes = 16384;
  options.protect_from_stray_stores = true;
  ExpectNothingIsLost(Kills() / 5, options);
}

// The canaries: what does not wait for its log, or has none, must not get through.
TEST_F(KillTest, FindsAnAcknowledgementThatCameEarly) {
  EXPECT_THAT(KillOver(200, TestSeed(), Dishonesty::kAcknowledgesEarly),
              ::testing::HasSubstr("was acknowledged, but"));
}

TEST_F(KillTest, FindsCommitsThatWereNotLogged) {
  EXPECT_THAT(KillOver(200, TestSeed(), Dishonesty::kDoesNotLog),
              ::testing::HasSubstr("was acknowledged, but"));
}

}  // namespace
}  // namespace espalier::testing
