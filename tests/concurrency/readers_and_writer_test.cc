// Readers in threads beside a writer, checkpoints, growth and compaction: what a reader sees is one
// version, and stays so. Meant for ThreadSanitizer as well.
#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/random_data.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

// Accounts between which money moves: each version has the same sum, and says which version it is.
class Bank {
 public:
  static constexpr int kAccounts = 400;
  static constexpr int64_t kSum = int64_t{kAccounts} * 1000;

  explicit Bank(TestDatabase& db) : db_(db), keyspace_(db.keyspace()) {}

  absl::Status Open() {
    absl::StatusOr<WriteTransaction> txn = db_->BeginWrite();
    if (!txn.ok()) return txn.status();
    for (int i = 0; i < kAccounts; ++i) {
      const absl::Status put = txn->Put(keyspace_, Account(i), Balance(1000));
      if (!put.ok()) return put;
    }
    return Sign(*txn);
  }

  // Moves money, adds an entry of some length, and takes away an old one.
  absl::Status Move(Random& random) {
    absl::StatusOr<WriteTransaction> txn = db_->BeginWrite();
    if (!txn.ok()) return txn.status();
    for (int i = 0; i < 4; ++i) {
      const int64_t amount = static_cast<int64_t>(Below(random, 100));
      for (const int64_t change : {amount, -amount}) {
        const std::string account = Account(static_cast<int>(Below(random, kAccounts)));
        const absl::StatusOr<std::string_view> balance = txn->Get(keyspace_, account);
        if (!balance.ok()) return balance.status();
        const absl::StatusOr<int64_t> before = AmountOf(*balance);
        if (!before.ok()) return before.status();
        const absl::Status put = txn->Put(keyspace_, account, Balance(*before + change));
        if (!put.ok()) return put;
      }
    }
    const std::string ballast = absl::StrCat("ballast", Below(random, 40));
    const absl::Status change =
        OneIn(random, 3) ? txn->Delete(keyspace_, ballast).status()
                         : txn->Put(keyspace_, ballast, std::string(Below(random, 60000), 'b'));
    if (!change.ok()) return change;
    if (OneIn(random, 16)) return absl::OkStatus();  // rolled back
    return Sign(*txn);
  }

  // What a reader checks: the sum, the count, and that what it reads is not younger than its
  // version. (Not the same: compaction makes versions as well.)
  static std::string FindFault(const ReadTransaction& txn, const Keyspace& keyspace) {
    int64_t sum = 0;
    int accounts = 0;
    auto scan = txn.Scan(keyspace, KeyRange::Prefix("account"));
    for (const Entry& entry : scan) {
      const absl::StatusOr<int64_t> amount = AmountOf(entry.value);
      if (!amount.ok()) return amount.status().ToString();
      sum += *amount;
      ++accounts;
    }
    if (!scan.status().ok()) return scan.status().ToString();
    if (accounts != kAccounts) return absl::StrCat(accounts, " accounts");
    if (sum != kSum) return absl::StrCat("a sum of ", sum);
    const absl::StatusOr<std::string_view> version = txn.Get(keyspace, "version");
    if (!version.ok()) return version.status().ToString();
    uint64_t signed_version = 0;
    if (!absl::SimpleAtoi(std::string(*version), &signed_version)) return "no number as version";
    if (signed_version > txn.version()) {
      return absl::StrCat("version ", txn.version(), " with the content of ",
                          std::string(*version));
    }
    return "";
  }

 private:
  static std::string Account(int i) { return absl::StrCat("account", 1000 + i); }
  // Of a length that makes leaves overflow and underflow now and then.
  static std::string Balance(int64_t amount) {
    return absl::StrCat(amount, std::string(static_cast<size_t>(amount & 63), ' '));
  }
  // Not of an account only if the engine gives something else than was written.
  static absl::StatusOr<int64_t> AmountOf(std::string_view balance) {
    int64_t amount = 0;
    if (absl::SimpleAtoi(std::string(balance), &amount)) return amount;
    return absl::InternalError("a balance that is no number");
  }
  absl::Status Sign(WriteTransaction& txn) {
    const absl::Status put = txn.Put(keyspace_, "version", absl::StrCat(txn.version()));
    return put.ok() ? txn.Commit().status() : put;
  }

  TestDatabase& db_;
  const Keyspace keyspace_;
};

class ReadersAndWriterTest : public ::testing::Test {
 protected:
  explicit ReadersAndWriterTest(const Options& options = {}) : db_(options) {}

  // Runs `function` in a thread again and again until Stop().
  template <typename Function>
  void Start(Function function) {
    threads_.emplace_back([this, function, number = threads_.size()] {
      Random random(seed_ * 100 + number);
      while (!stop_.load(std::memory_order_relaxed)) function(random);
    });
  }
  void StartReaders(int count) {
    for (int i = 0; i < count; ++i) {
      Start([this](Random& random) {
        const absl::StatusOr<ReadTransaction> txn = db_->BeginRead();
        ESPALIER_ASSERT_OK(txn);
        // Now and then for a while, over many commits.
        const uint64_t looks = OneIn(random, 4) ? 8 : 1;
        const absl::StatusOr<std::string_view> version = txn->Get(keyspace_, "version");
        ESPALIER_ASSERT_OK(version);
        const std::string before(*version);
        for (uint64_t look = 0; look < looks; ++look) {
          ASSERT_EQ(Bank::FindFault(*txn, keyspace_), "");
          ASSERT_EQ(*version, before);  // the view into the mapping itself
        }
        reads_.fetch_add(1, std::memory_order_relaxed);
      });
    }
  }
  void StartWriter() {
    Start([this](Random& random) {
      ESPALIER_ASSERT_OK(bank_.Move(random));
      commits_.fetch_add(1, std::memory_order_relaxed);
    });
  }
  // Until the threads have done a fair amount of work, or failed.
  void RunFor(std::chrono::milliseconds at_least) {
    std::this_thread::sleep_for(at_least);
    while (!HasFailure() && (commits_.load() < 50 || reads_.load() < 50)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    Stop();
  }
  void Stop() {
    stop_.store(true);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    std::printf("%d commits, %d reads\n", commits_.load(), reads_.load());
  }

  const uint64_t seed_ = TestSeed();
  TestDatabase db_;
  const Keyspace keyspace_ = db_.keyspace();
  Bank bank_{db_};
  std::atomic<bool> stop_{false};
  std::atomic<int> commits_{0};
  std::atomic<int> reads_{0};
  std::vector<std::thread> threads_;
};

TEST_F(ReadersAndWriterTest, EachReaderSeesOneVersion) {
  ESPALIER_ASSERT_OK(bank_.Open());
  StartReaders(3);
  StartWriter();
  RunFor(std::chrono::milliseconds(300));
}

TEST_F(ReadersAndWriterTest, WithCheckpoints) {
  ESPALIER_ASSERT_OK(bank_.Open());
  StartReaders(2);
  StartWriter();
  Start([this](Random&) { ESPALIER_ASSERT_OK(db_->Checkpoint()); });
  RunFor(std::chrono::milliseconds(300));
}

TEST_F(ReadersAndWriterTest, WithCompactionVerificationCopiesAndStats) {
  ESPALIER_ASSERT_OK(bank_.Open());
  StartReaders(1);
  StartWriter();
  Start([this](Random&) { ESPALIER_ASSERT_OK(db_->Compact()); });
  Start([this](Random& random) {
    switch (Below(random, 4)) {
      case 0: {
        ASSERT_EQ(VerifyProblems(*db_), "");
        break;
      }
      case 1: {
        const std::string path = db_.PathBeside(absl::StrCat("copy", random()));
        ESPALIER_ASSERT_OK(db_->CopyTo(path));
        break;
      }
      default:
        ESPALIER_ASSERT_OK(db_->GetStats());
    }
  });
  RunFor(std::chrono::milliseconds(300));
}

class OutgrownMappingsTest : public ReadersAndWriterTest {
 protected:
  OutgrownMappingsTest() : ReadersAndWriterTest(LittleSpace()) {}

  static Options LittleSpace() {
    Options options;
    options.address_space_bytes = 1300000;
    return options;
  }
};

// The writer maps the file anew, more than once, while readers are on the old mappings.
TEST_F(OutgrownMappingsTest, WithReaders) {
  ESPALIER_ASSERT_OK(bank_.Open());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats before, db_->GetStats());
  StartReaders(2);
  StartWriter();
  Start([this](Random& random) {
    ESPALIER_ASSERT_OK(
        db_->Put(keyspace_, absl::StrCat("more", Below(random, 100)), std::string(100000, 'm')));
  });
  RunFor(std::chrono::milliseconds(300));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats after, db_->GetStats());
  EXPECT_GE(after.mapped_bytes, 2 * before.mapped_bytes);
}

// Several writers take turns; nobody's change is lost.
TEST_F(ReadersAndWriterTest, WritersQueue) {
  constexpr int kWriters = 4;
  constexpr int kIncrements = 50;
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([this] {
      for (int j = 0; j < kIncrements; ++j) {
        ESPALIER_ASSERT_OK_AND_ASSIGN(WriteTransaction txn, db_->BeginWrite());
        const absl::StatusOr<std::string_view> counter = txn.Get(keyspace_, "counter");
        const int value = counter.ok() ? std::stoi(std::string(*counter)) : 0;
        ESPALIER_ASSERT_OK(txn.Put(keyspace_, "counter", absl::StrCat(value + 1)));
        ESPALIER_ASSERT_OK(txn.Commit());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_THAT(db_->Get(keyspace_, "counter"), IsOkAndHolds(absl::StrCat(kWriters * kIncrements)));
}

// The reader table begins with 64 slots.
TEST_F(ReadersAndWriterTest, HundredsOfReaders) {
  ESPALIER_ASSERT_OK(bank_.Open());
  Random random(seed_);
  std::vector<ReadTransaction> readers;
  for (int i = 0; i < 300; ++i) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db_->BeginRead());
    readers.push_back(std::move(txn));
    if (i % 3 == 0) {
      ESPALIER_ASSERT_OK(bank_.Move(random));
    }
  }
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db_->GetStats());
  EXPECT_EQ(stats.readers.size(), 300u);
  ESPALIER_ASSERT_OK(db_->Checkpoint());

  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t i = static_cast<size_t>(thread); i < readers.size(); i += 4) {
        ASSERT_EQ(Bank::FindFault(readers[i], keyspace_), "");
        readers[i].End();  // in another thread than where it began
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats after, db_->GetStats());
  EXPECT_EQ(after.readers.size(), 0u);
}

}  // namespace
}  // namespace espalier::testing
