// Power loss at any moment around checkpoints: whatever subset of the dirty pages reached the disk,
// torn or whole, the file opens to a committed version, the one of the last checkpoint or, once its
// slot is being written, of the one in progress. (Until there is a log, what was committed since is
// gone.)

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/crash/crash_recorder.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"

namespace espalier {
namespace {

using testing::Bytes;
using testing::Contents;
using testing::CrashRecorder;
using testing::Lie;
using testing::MakeSample;
using testing::MemoryFile;
using testing::Sample;
using testing::SmallMappingOptions;

// Opens images and compares them with what was committed.
class ImageChecker {
 public:
  // What may be found: the contents by version.
  std::map<uint64_t, Contents> models;

  // What is wrong with the image, or nothing.
  std::string Check(const Bytes& image, const CrashRecorder& recorder) {
    ++images_;
    file_.SetContent({});
    file_.SetContent(image);
    auto db = Database::Open(file_.path(), SmallMappingOptions());
    if (!db.ok()) return absl::StrCat("does not open: ", db.status().ToString());
    std::string problem = Compare(*db, recorder);
    if (problem.empty()) {
      const auto report = db->Verify();
      if (!report.ok()) {
        problem = absl::StrCat("does not verify: ", report.status().ToString());
      } else if (!report->ok()) {
        problem = absl::StrCat("does not verify: ", report->problems[0]);
      }
    }
    // Now and then life goes on from here.
    if (problem.empty() && images_ % 16 == 0) problem = GoOn(*db);
    return problem;
  }

  int images() const { return images_; }

 private:
  std::string Compare(Database& db, const CrashRecorder& recorder) {
    const auto txn = db.BeginRead();
    if (!txn.ok()) return txn.status().ToString();
    const uint64_t version = txn->version();
    if (version != recorder.durable_version() && version != recorder.written_version()) {
      return absl::StrCat("opens at version ", version, " instead of ", recorder.durable_version());
    }
    // Compaction makes versions without changing the contents.
    const auto model = std::prev(models.upper_bound(version));
    const auto list = txn->ListKeyspaces();
    if (!list.ok()) return list.status().ToString();
    if (list->size() != model->second.size()) return "a keyspace too many or too few";
    for (const KeyspaceInfo& info : *list) {
      const auto entries = model->second.find(info.name);
      if (entries == model->second.end()) return absl::StrCat("keyspace ", info.name);
      auto expected = entries->second.begin();
      Scan scan = txn->Scan(info.keyspace);
      for (const Entry& entry : scan) {
        if (expected == entries->second.end() || entry.key != expected->first ||
            entry.value != expected->second) {
          return absl::StrCat("wrong content at ", std::string(entry.key.substr(0, 30)),
                              " of version ", version);
        }
        ++expected;
      }
      if (!scan.status().ok()) return scan.status().ToString();
      if (expected != entries->second.end()) return "entries are missing";
    }
    return "";
  }

  std::string GoOn(Database& db) {
    const Keyspace keyspace = db.default_keyspace();
    for (int i = 0; i < 3; ++i) {
      const auto put =
          db.Put(keyspace, absl::StrCat("after the crash ", i), std::string(3000, 'a'));
      if (!put.ok()) return absl::StrCat("does not go on: ", put.status().ToString());
    }
    if (absl::Status status = db.Checkpoint(); !status.ok()) return status.ToString();
    const auto report = db.Verify();
    if (!report.ok()) return report.status().ToString();
    return report->ok() ? "" : absl::StrCat("broken later: ", report->problems[0]);
  }

  MemoryFile file_;
  int images_ = 0;
};

// Random work on a database, with crashes everywhere.
class Journey {
 public:
  Journey(const Sample& start, Lie lie, uint64_t seed, size_t images_per_point)
      : random_(seed), images_per_point_(images_per_point) {
    file_.SetContent(start.image);
    recorder_.emplace(file_, lie, [this](std::string_view where) { Crash(where); });
    contents_ = start.contents;
    checker_.models[recorder_->durable_version()] = contents_;
    checker_.models[0] = contents_;
  }

  // The first thing found to be wrong.
  const std::string& problem() const { return problem_; }
  int images() const { return checker_.images(); }
  size_t most_dirty_pages() const { return most_dirty_pages_; }
  const CrashRecorder& recorder() const { return *recorder_; }

  void Run(int steps) {
    auto opened = Database::Open(file_.path(), SmallMappingOptions());
    ASSERT_THAT(opened, IsOk());
    db_.emplace(*std::move(opened));
    for (int i = 0; i < steps && problem_.empty(); ++i) {
      Step();
      if (::testing::Test::HasFatalFailure()) return;
    }
    if (problem_.empty()) {
      reader_.reset();
      ASSERT_THAT(db_->Close(), IsOk());
      Crash("after the close");
    }
    db_.reset();
  }

 private:
  void Step() {
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2:
        ASSERT_THAT(db_->Checkpoint(), IsOk());
        break;
      case 3:
        ASSERT_THAT(db_->Compact(), IsOk());
        break;
      case 4:  // a reader holds on to an old version
        reader_.reset();
        if (random_() % 2 == 0) reader_.emplace(db_->BeginRead().value());
        break;
      case 5:
        Reopen();
        break;
      default:
        Commit();
        break;
    }
    recorder_->Sample();
    Crash("between calls");
  }

  void Reopen() {
    reader_.reset();
    if (random_() % 2 == 0) {
      ASSERT_THAT(db_->Close(), IsOk());
    }
    db_.reset();
    auto opened = Database::Open(file_.path(), SmallMappingOptions());
    ASSERT_THAT(opened, IsOk());
    db_.emplace(*std::move(opened));
  }

  void Commit() {
    WriteTransaction txn = db_->BeginWrite().value();
    Contents after = contents_;
    const int changes = 1 + static_cast<int>(random_() % 12);
    for (int i = 0; i < changes; ++i) Change(txn, after);
    if (random_() % 8 == 0) return;  // rolled back
    // What was stored by now can be on the disk before the version is published.
    recorder_->Sample();
    ESPALIER_ASSERT_OK_AND_ASSIGN(const CommitToken token, txn.Commit());
    contents_ = std::move(after);
    checker_.models[token.version] = contents_;
  }

  void Change(WriteTransaction& txn, Contents& after) {
    auto at = after.begin();
    std::advance(at, random_() % after.size());
    auto& [name, entries] = *at;
    ESPALIER_ASSERT_OK_AND_ASSIGN(const Keyspace keyspace, txn.OpenKeyspace(name));
    const uint64_t choice = random_() % 16;
    if (choice < 4 && !entries.empty()) {
      auto entry = entries.begin();
      std::advance(entry, random_() % entries.size());
      ASSERT_THAT(txn.Delete(keyspace, entry->first), IsOkAndHolds(true));
      entries.erase(entry);
    } else if (choice == 4 && entries.size() > 10) {
      auto begin = entries.begin();
      std::advance(begin, random_() % entries.size());
      auto end = begin;
      std::advance(end, std::min<ptrdiff_t>(8, std::distance(begin, entries.end())));
      KeyRange range = KeyRange::From(begin->first);
      if (end != entries.end()) range.end = end->first;
      ASSERT_THAT(txn.DeleteRange(keyspace, range), IsOk());
      entries.erase(begin, end);
    } else if (choice == 5) {
      if (after.contains("new")) {
        const Keyspace old = txn.OpenKeyspace("new").value();
        ASSERT_THAT(txn.DropKeyspace(old), IsOk());
        after.erase("new");
      } else {
        ASSERT_THAT(txn.CreateKeyspace("new"), IsOk());
        after["new"];
      }
    } else {
      const std::string key = absl::StrCat("key", random_() % 200);
      std::string value(random_() % 10 == 0 ? random_() % 20000 : random_() % 150, 'v');
      for (char& byte : value) byte = static_cast<char>(random_());
      ASSERT_THAT(txn.Put(keyspace, key, value), IsOk());
      entries[key] = value;
    }
  }

  void Crash(std::string_view where) {
    if (!problem_.empty()) return;
    most_dirty_pages_ = std::max(most_dirty_pages_, recorder_->dirty_pages());
    // This recorder makes the images; it must not take their opening for the database's doing. It
    // looks at paths, and theirs is another one.
    recorder_->ForEachImage(random_, images_per_point_, [&](const Bytes& image) {
      if (!problem_.empty()) return;
      const std::string problem = checker_.Check(image, *recorder_);
      if (!problem.empty()) problem_ = absl::StrCat(std::string(where), ": ", problem);
    });
  }

  std::mt19937_64 random_;
  const size_t images_per_point_;
  MemoryFile file_;
  std::optional<CrashRecorder> recorder_;
  std::optional<Database> db_;
  std::optional<ReadTransaction> reader_;
  ImageChecker checker_;
  Contents contents_;
  std::string problem_;
  size_t most_dirty_pages_ = 0;
};

TEST(CheckpointCrashTest, AnyImageIsACommittedVersion) {
  const uint64_t seed = TestSeed(1);
  const Sample sample = MakeSample();
  int images = 0;
  size_t most_dirty = 0;
  for (uint64_t i = 0; i < 8; ++i) {
    SCOPED_TRACE(absl::StrCat("seed ", seed + i));
    Journey journey(sample, Lie::kNone, seed + i, 16);
    journey.Run(30);
    ASSERT_EQ(journey.problem(), "");
    images += journey.images();
    most_dirty = std::max(most_dirty, journey.most_dirty_pages());
  }
  std::printf("%d images, %zu dirty pages at most\n", images, most_dirty);
  EXPECT_GT(images, 3000);
}

// Every subset where there are few pages: one small change at a time.
TEST(CheckpointCrashTest, EverySubsetOfASmallCheckpoint) {
  const uint64_t seed = TestSeed(1);
  const Sample sample = MakeSample();
  for (uint64_t i = 0; i < 2; ++i) {
    Journey journey(sample, Lie::kNone, seed + i, 256);
    journey.Run(6);
    ASSERT_EQ(journey.problem(), "");
    std::printf("%d images\n", journey.images());
  }
}

// The canaries: a disk that does not flush what it says must be caught, or the tests above prove
// nothing.
TEST(CheckpointCrashTest, CanaryWithoutTheFlushOfTheData) {
  const uint64_t seed = TestSeed(1);
  const Sample sample = MakeSample();
  Journey journey(sample, Lie::kDataIsNotFlushed, seed, 16);
  journey.Run(100);
  EXPECT_NE(journey.problem(), "");
  std::printf("caught: %s\n", journey.problem().c_str());
}

TEST(CheckpointCrashTest, CanaryWithoutTheFlushOfTheSlot) {
  const uint64_t seed = TestSeed(1);
  const Sample sample = MakeSample();
  Journey journey(sample, Lie::kSlotIsNotFlushed, seed, 16);
  journey.Run(100);
  EXPECT_NE(journey.problem(), "");
  std::printf("caught: %s\n", journey.problem().c_str());
}

// "Exactly one msync per checkpoint" (docs/design.md, facts), and one for its slot.
TEST(CheckpointCrashTest, OneFlushOfTheDataForEachCheckpoint) {
  const Sample sample = MakeSample();
  MemoryFile file;
  file.SetContent(sample.image);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), SmallMappingOptions()));
  CrashRecorder recorder(file, Lie::kNone, [](std::string_view) {});
  // The first change of a handle flushes the slot and writes it anew.
  ASSERT_THAT(db.Put(db.default_keyspace(), "first", "x"), IsOk());
  EXPECT_EQ(recorder.data_flushes(), 0);
  EXPECT_EQ(recorder.slot_flushes(), 2);
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 100; ++j) {
      ASSERT_THAT(db.Put(db.default_keyspace(), absl::StrCat("key", j), std::string(300, 'x')),
                  IsOk());
    }
    EXPECT_EQ(recorder.data_flushes(), i);
    ASSERT_THAT(db.Checkpoint(), IsOk());
    EXPECT_EQ(recorder.data_flushes(), i + 1);
    EXPECT_EQ(recorder.slot_flushes(), i + 3);
    // Nothing new, nothing to flush.
    ASSERT_THAT(db.Checkpoint(), IsOk());
    EXPECT_EQ(recorder.data_flushes(), i + 1);
  }
}

// The order of writes and flushes of the slots: 'A' a write of the first, 'a' its flush, and so on.
class SlotOrder : public os::SystemCallObserver {
 public:
  SlotOrder() { os::SetSystemCallObserverForTesting(this); }
  ~SlotOrder() override { os::SetSystemCallObserverForTesting(nullptr); }

  int BeforeCall(const os::SystemCall&) override { return 0; }
  void AfterCall(const os::SystemCall& call, int) override {
    if (call.offset != 16384 && call.offset != 32768) return;
    const bool first = call.offset == 16384;
    if (call.kind == os::SystemCallKind::kWrite) steps += first ? 'A' : 'B';
    if (call.kind == os::SystemCallKind::kSyncMapping) steps += first ? 'a' : 'b';
  }

  std::string steps;
};

// The slot that a handle finds may be cached only: whoever wrote it was killed before the flush.
// Were the other one overwritten first, a power loss could leave neither.
TEST(CheckpointCrashTest, TheFoundSlotIsDurableBeforeTheOtherIsOverwritten) {
  MemoryFile file;
  file.SetContent(MakeSample().image);
  std::string found;
  for (const int checkpoints : {1, 2, 1}) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), SmallMappingOptions()));
    SlotOrder order;
    for (int i = 0; i < checkpoints; ++i) {
      ASSERT_THAT(db.Put(db.default_keyspace(), "key", std::string(order.steps)), IsOk());
      ASSERT_THAT(db.Checkpoint(), IsOk());
    }
    const std::string expected = order.steps[0] == 'a' ? "aBbAaBb" : "bAaBbAa";
    EXPECT_EQ(order.steps, expected.substr(0, order.steps.size()));
    found += order.steps[0];
  }
  EXPECT_NE(found.find('a'), std::string::npos) << found;
  EXPECT_NE(found.find('b'), std::string::npos) << found;
}

// INV-14: a new database has its content, and that on the disk, before it has its name; and its
// name is on the disk before anybody is told that there is a database.
class CreationOrder : public os::SystemCallObserver {
 public:
  CreationOrder() { os::SetSystemCallObserverForTesting(this); }
  ~CreationOrder() override { os::SetSystemCallObserverForTesting(nullptr); }

  int BeforeCall(const os::SystemCall&) override { return 0; }
  void AfterCall(const os::SystemCall& call, int result_errno) override {
    if (result_errno != 0) return;
    switch (call.kind) {
      case os::SystemCallKind::kWrite:
        steps += 'w';
        break;
      case os::SystemCallKind::kSyncAll:
        steps += 's';
        break;
      case os::SystemCallKind::kRename:
        steps += 'r';
        break;
      default:
        break;
    }
  }

  std::string steps;
};

TEST(CreationTest, IsFlushedBeforeItHasItsName) {
  os::TempDir dir;
  std::optional<CreationOrder> order(std::in_place);
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(dir.File("db.esp")));
  // Superblock and two slots, the file's flush, the name, the directory's flush.
  EXPECT_EQ(order->steps, "wwwsrs");
  order.reset();
}

}  // namespace
}  // namespace espalier
