// Every adapter against std::map: an adapter that did other work than the rest (skipped records,
// lost a put, touched something else) would make its figures worthless.
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "bench/adapters/adapter.h"
#include "gtest/gtest.h"

namespace espalier::bench {
namespace {

constexpr uint64_t kRecords = 3'000;
constexpr uint64_t kValueBytes = 100;

using Model = std::map<std::string, std::string, std::less<>>;

class AdapterTest : public testing::TestWithParam<std::string_view> {
 protected:
  AdapterTest() : directory_(testing::TempDir() + "adapter_" + std::string(GetParam())) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    Open();
  }

  ~AdapterTest() override {
    database_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Open(bool durable = false) {
    database_.reset();
    database_ = FindAdapter(GetParam())
                    ->open({.directory = directory_,
                            .data_bytes = dataset_.raw_bytes(),
                            .memory_limit_bytes = 0,
                            .durable = durable});
  }

  void Put(Session& session, uint64_t index, uint64_t generation = 0) {
    Key key = Dataset::KeyOf(index);
    session.Put(key, dataset_.ValueOf(index, generation));
    model_[std::string(std::string_view(key))] = dataset_.ValueOf(index, generation);
  }

  // Puts all records in random order, 100 a transaction, and some again, two at a time.
  void Load() {
    std::unique_ptr<Session> session = database_->NewSession();
    for (uint64_t index = 0; index < kRecords;) {
      session->BeginWrite();
      for (uint64_t i = 0; i < 100 && index < kRecords; ++i) Put(*session, index++);
      session->Commit();
    }
    for (uint64_t index = 0; index < kRecords; index += 50) {
      session->BeginPuts();
      Put(*session, index, 7);
      Put(*session, index + 1, 8);
      session->Commit();
    }
  }

  Touch ExpectedScan(std::string_view start, uint64_t limit) const {
    Touch touch;
    for (auto entry = model_.lower_bound(start); entry != model_.end() && touch.count() < limit;
         ++entry) {
      touch(entry->second);
    }
    return touch;
  }

  // Compares gets, multi-gets and scans with the model, absent keys included.
  void Compare() {
    std::unique_ptr<Session> session = database_->NewSession();
    Random random(1);
    session->BeginRead();
    for (uint64_t index = 0; index < kRecords + 100; ++index) {
      Key key = Dataset::KeyOf(index);
      ExpectValue(key, session->Get(key));
    }
    for (int i = 0; i < 100; ++i) CompareMultiGet(*session, random);
    session->EndRead();
    for (int i = 0; i < 300; ++i) {
      Key start = Dataset::KeyOf(random.Below(2 * kRecords));
      uint64_t limit = 1 + random.Below(i < 200 ? 3 : 200);
      session->BeginRead();
      EXPECT_EQ(session->Scan(start, limit), ExpectedScan(start, limit));
      session->EndRead();
    }
    session->BeginRead();
    std::string_view below_all("\0", 1);
    EXPECT_EQ(session->Scan(below_all, ~uint64_t{0}), ExpectedScan(below_all, ~uint64_t{0}));
    session->EndRead();
  }

  std::string directory_;
  Dataset dataset_{kRecords, kValueBytes};
  std::unique_ptr<Database> database_;
  Model model_;

 private:
  void ExpectValue(std::string_view key, std::string_view value) const {
    auto expected = model_.find(key);
    if (expected == model_.end()) {
      EXPECT_EQ(value.data(), nullptr);
    } else {
      EXPECT_EQ(value, expected->second);
    }
  }

  void CompareMultiGet(Session& session, Random& random) const {
    std::array<Key, 32> keys;
    std::array<std::string_view, 32> views;
    std::array<std::string_view, 32> values;
    for (size_t k = 0; k < keys.size(); ++k) {
      keys[k] = Dataset::KeyOf(random.Below(kRecords + kRecords / 10));
      views[k] = keys[k];
    }
    session.MultiGet(views, values);
    for (size_t k = 0; k < keys.size(); ++k) ExpectValue(views[k], values[k]);
  }
};

TEST_P(AdapterTest, AgreesWithTheModelAfterARandomLoad) {
  Load();
  Compare();
  database_->Settle();
  Compare();
}

TEST_P(AdapterTest, AgreesWithTheModelAfterASortedLoad) {
  database_->BeginAppend();
  for (uint32_t index : dataset_.SortedOrder()) {
    Key key = Dataset::KeyOf(index);
    database_->Append(key, dataset_.ValueOf(index));
    model_[std::string(std::string_view(key))] = dataset_.ValueOf(index);
  }
  database_->FinishAppend();
  Compare();
  Open();
  Compare();
}

TEST_P(AdapterTest, AgreesWithTheModelAfterUpdatesAndInserts) {
  Load();
  Random random(2);
  {
    std::unique_ptr<Session> session = database_->NewSession();
    for (uint64_t i = 1; i <= 500; ++i) {
      session->BeginWrite();
      Put(*session, random.Below(kRecords + 50), i);
      session->Commit();
    }
  }
  Compare();
  database_->Flush();
  Open();
  Compare();
}

TEST_P(AdapterTest, AgreesWithTheModelAfterCompact) {
  Load();
  database_->Compact();
  Compare();
  Open();
  Compare();
}

TEST_P(AdapterTest, AReadModifyWriteSeesItsOwnTransaction) {
  Load();
  std::unique_ptr<Session> session = database_->NewSession();
  session->BeginWrite();
  EXPECT_EQ(session->Get(Dataset::KeyOf(3)), dataset_.ValueOf(3));
  Put(*session, 3, 1);
  session->Commit();
  session->BeginRead();
  EXPECT_EQ(session->Get(Dataset::KeyOf(3)), dataset_.ValueOf(3, 1));
  session->EndRead();
}

TEST_P(AdapterTest, ADurableOneAgreesWithTheModelAfterPutsOfSeveralThreads) {
  constexpr uint64_t kThreads = 4;
  Open(/*durable=*/true);
  Load();
  {
    std::vector<std::jthread> threads;
    for (uint64_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        std::unique_ptr<Session> session = database_->NewSession();
        for (uint64_t index = thread; index < 100; index += kThreads) {
          session->BeginWrite();
          session->Put(Dataset::KeyOf(index), dataset_.ValueOf(index, 1));
          session->Commit();
        }
      });
    }
  }
  for (uint64_t index = 0; index < 100; ++index)
    model_[std::string(std::string_view(Dataset::KeyOf(index)))] = dataset_.ValueOf(index, 1);
  Compare();
  database_->Flush();
  Open(/*durable=*/true);
  Compare();
}

TEST_P(AdapterTest, SettingsSayWhetherItIsDurable) {
  const Adapter& adapter = *FindAdapter(GetParam());
  EXPECT_NE(adapter.settings({.directory = directory_}),
            adapter.settings({.directory = directory_, .durable = true}));
}

// A scan after another session's commit, in a new transaction, must not be answered by a cursor
// that was kept.
TEST_P(AdapterTest, ANewTransactionSeesWhatOthersCommitted) {
  Load();
  std::unique_ptr<Session> reader = database_->NewSession();
  std::unique_ptr<Session> writer = database_->NewSession();
  for (uint64_t generation = 1; generation <= 3; ++generation) {
    for (uint64_t index : {7, 8, 9}) {
      writer->BeginWrite();
      Put(*writer, index, generation);
      writer->Commit();
      Key key = Dataset::KeyOf(index);
      reader->BeginRead();
      EXPECT_EQ(reader->Scan(key, 1), ExpectedScan(key, 1));
      EXPECT_EQ(reader->Get(key), dataset_.ValueOf(index, generation));
      reader->EndRead();
    }
  }
}

std::vector<std::string_view> AllNames() {
  std::vector<std::string_view> names;
  for (const Adapter& adapter : AllAdapters()) names.push_back(adapter.name);
  return names;
}

std::string TestName(const testing::TestParamInfo<std::string_view>& parameter) {
  std::string name(parameter.param);
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Engines, AdapterTest, testing::ValuesIn(AllNames()), TestName);

}  // namespace
}  // namespace espalier::bench
