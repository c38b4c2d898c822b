// The handle goes while transactions are still open, and these end in several threads at once. Once
// two that ended together could wait for each other for ever, and with them every other database of
// the process.
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "engine/base/status_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

constexpr int kRounds = 2000;
constexpr int kReaders = 3;

TEST(LastTransactionsTest, EndTogetherWithTheHandle) {
  for (int round = 0; round < kRounds; ++round) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database opened, Database::OpenInMemory());
    std::optional<Database> db(std::move(opened));
    std::atomic<int> waiting{kReaders + 2};
    const auto meet = [&] {
      waiting.fetch_sub(1);
      while (waiting.load() > 0) std::this_thread::yield();
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < kReaders; ++i) {
      ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction read, db->BeginRead());
      threads.emplace_back([&meet, txn = std::move(read)]() mutable {
        meet();
        txn.End();
      });
    }
    ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction write, db->BeginWrite());
    threads.emplace_back([&meet, txn = std::move(write)]() mutable {
      meet();
      txn.Rollback();
    });
    // Before the transactions end, or while they do.
    if (round % 2 == 0) db.reset();
    meet();
    db.reset();
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace espalier
