// Hostile files whose checksums are right: whatever they contain, and whatever is done with them,
// there is no signal, no exit, no hang and no bug for the sanitizers (INV-11, INV-13), and each
// status has a code that a bad file explains.
//
//   ESPALIER_SEED=5 ESPALIER_ROUNDS=100000 bazel-bin/tests/internal/hostile/sealed_fuzz_test

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/seed_for_testing.h"
#include "engine/base/status_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"
#include "tests/internal/hostile/mutator.h"

namespace espalier {
namespace {

using testing::Bytes;
using testing::Contents;
using testing::MakeSample;
using testing::MemoryFile;
using testing::Mutator;
using testing::ReadEverything;
using testing::Sample;
using testing::SmallMappingOptions;

// Far more than any round takes: a hang.
constexpr unsigned kSecondsPerRound = 60;

// Told by the signal handlers when a round dies or takes too long.
char current_round[4096];
struct sigaction previous_actions[NSIG];

void TellRound(int signal_number) {
  constexpr char kText[] = "\nthe round that ended the test: ";
  static_cast<void>(!write(STDERR_FILENO, kText, sizeof(kText) - 1));
  static_cast<void>(!write(STDERR_FILENO, current_round, strlen(current_round)));
  static_cast<void>(!write(STDERR_FILENO, "\n", 1));
  // Whoever would have had the signal, a sanitizer perhaps, has it now.
  sigaction(signal_number, &previous_actions[signal_number], nullptr);
  raise(signal_number);
}

void TellRoundAtSignals() {
  struct sigaction action = {};
  action.sa_handler = &TellRound;
  action.sa_flags = SA_NODEFER;
  // Not SIGBUS, which the engine handles itself.
  for (const int number : {SIGALRM, SIGABRT, SIGSEGV, SIGFPE, SIGILL}) {
    sigaction(number, &action, &previous_actions[number]);
  }
}

int Rounds(int by_default) {
  const char* const chosen = std::getenv("ESPALIER_ROUNDS");
  return chosen != nullptr ? std::atoi(chosen) : by_default;
}

// All operations on one image. Notes codes that a bad file does not explain.
class Ordeal {
 public:
  Ordeal(MemoryFile& file, const Contents& contents, uint64_t seed)
      : file_(file), contents_(contents), random_(seed) {}

  void Run() {
    Options options = SmallMappingOptions();
    options.verify_checksums = random_() % 4 != 0;
    options.protect_from_stray_stores = random_() % 8 == 0;
    options.read_only = random_() % 8 == 0;
    {
      auto db = Database::Open(file_.path(), options);
      Note(db.status());
      if (db.ok()) {
        read_only_ = options.read_only;
        const uint64_t count = 1 + random_() % 8;
        for (uint64_t i = 0; i < count; ++i) Step(*db);
        if (random_() % 4 != 0) Note(db->Close());
      }
    }
    if (random_() % 2 == 0) Salvage();
    auto again = Database::Open(file_.path(), SmallMappingOptions(/*read_only=*/true));
    Note(again.status());
    if (again.ok()) Note(again->Verify().status());
  }

  std::map<absl::StatusCode, int> codes;
  std::string strange;  // the first status that should not be
  std::string steps;

 private:
  bool Note(const absl::Status& status) {
    ++codes[status.code()];
    switch (status.code()) {
      case absl::StatusCode::kOk:
      case absl::StatusCode::kDataLoss:
      case absl::StatusCode::kNotFound:
      case absl::StatusCode::kInvalidArgument:
      case absl::StatusCode::kUnimplemented:
      case absl::StatusCode::kResourceExhausted:
      case absl::StatusCode::kAlreadyExists:
      case absl::StatusCode::kOutOfRange:
      case absl::StatusCode::kFailedPrecondition:
        break;
      default:
        if (strange.empty()) strange = status.ToString();
    }
    return status.ok();
  }

  template <typename T>
  bool Note(const absl::StatusOr<T>& result) {
    return Note(result.status());
  }

  void Step(Database& db) {
    const uint64_t choice = random_() % 16;
    absl::StrAppend(&steps, choice, " ");
    switch (choice) {
      case 0:
      case 1:
      case 2:
        // A hostile file may contain anything: the values do not matter.
        ReadEverything(db, contents_);
        return;
      case 3:
        ReadByCursor(db);
        return;
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
      case 9:
        return Write(db);
      case 10:
        Note(db.Verify());
        return;
      case 11:
      case 12:
        if (!read_only_) Note(db.Checkpoint());
        return;
      case 13:
      case 14:
        if (!read_only_) Note(db.Compact());
        return;
      default:
        Note(db.GetStats());
        return;
    }
  }

  std::string SomeKey(const std::string& keyspace) {
    const auto& entries = contents_.at(keyspace);
    if (entries.empty() || random_() % 4 == 0) {
      std::string key(1 + random_() % 60, 'k');
      for (char& byte : key) byte = static_cast<char>(random_());
      return key;
    }
    auto at = entries.begin();
    std::advance(at, random_() % entries.size());
    return random_() % 4 == 0 ? at->first.substr(0, 1 + random_() % at->first.size()) : at->first;
  }

  const std::string& SomeKeyspace() {
    auto at = contents_.begin();
    std::advance(at, random_() % contents_.size());
    return at->first;
  }

  void ReadByCursor(Database& db) {
    auto txn = db.BeginRead();
    if (!Note(txn)) return;
    const std::string name = SomeKeyspace();
    const auto keyspace = txn->OpenKeyspace(name);
    if (!Note(keyspace)) return;
    auto cursor = txn->OpenCursor(*keyspace);
    if (!Note(cursor)) return;
    for (int i = 0; i < 60; ++i) {
      switch (random_() % 9) {
        case 0:
          cursor->First();
          break;
        case 1:
          cursor->Last();
          break;
        case 2:
          cursor->SeekLowerBound(SomeKey(name));
          break;
        case 3:
          cursor->SeekUpperBound(SomeKey(name));
          break;
        case 4:
          cursor->SeekForPrev(SomeKey(name));
          break;
        case 5:
          cursor->SeekPrefix(SomeKey(name));
          break;
        case 6:
          for (int j = 0; j < 50 && cursor->Next(); ++j) Touch(*cursor);
          break;
        case 7:
          for (int j = 0; j < 50 && cursor->Prev(); ++j) Touch(*cursor);
          break;
        default:
          Note(txn->Select(*keyspace, random_() % 100));
          break;
      }
      Note(cursor->status());
      if (cursor->Valid()) Touch(*cursor);
    }
  }

  void Touch(const Cursor& cursor) {
    for (const char byte : cursor.key()) sum_ += static_cast<uint8_t>(byte);
    const auto value = cursor.value();
    if (!Note(value)) return;
    for (const char byte : *value) sum_ += static_cast<uint8_t>(byte);
  }

  void Write(Database& db) {
    if (read_only_) return;
    auto txn = db.BeginWrite();
    if (!Note(txn)) return;
    const std::string name = SomeKeyspace();
    const auto keyspace = txn->OpenKeyspace(name);
    if (!Note(keyspace)) return;
    const uint64_t changes = 1 + random_() % 20;
    for (uint64_t i = 0; i < changes; ++i) Change(*txn, *keyspace, name);
    if (random_() % 8 != 0) Note(txn->Commit());
  }

  void Change(WriteTransaction& txn, const Keyspace& keyspace, const std::string& name) {
    const std::string value(random_() % 8 == 0 ? random_() % 9000 : random_() % 200, 'v');
    const uint64_t choice = random_() % 16;
    absl::StrAppend(&steps, "w", choice, " ");
    switch (choice) {
      case 0:
      case 1:
      case 2:
      case 3:
        Note(txn.Put(keyspace, SomeKey(name), value));
        return;
      case 4:
      case 5:
      case 6:
        Note(txn.Delete(keyspace, SomeKey(name)));
        return;
      case 7:
        Note(txn.PutIfAbsent(keyspace, SomeKey(name), value));
        return;
      case 8:
        Note(txn.CompareAndSwap(keyspace, SomeKey(name), std::nullopt, value));
        return;
      case 9: {
        auto span = txn.Reserve(keyspace, SomeKey(name), value.size());
        if (Note(span)) std::fill(span->begin(), span->end(), 'r');
        return;
      }
      case 10:
        Note(txn.Append(keyspace, "\xff" + SomeKey(name), value));
        return;
      case 11:
      case 12: {
        std::string begin = SomeKey(name);
        std::string end = SomeKey(name);
        if (end < begin) std::swap(begin, end);
        Note(txn.DeleteRange(keyspace,
                             random_() % 8 == 0 ? KeyRange::All() : KeyRange::Between(begin, end)));
        return;
      }
      case 13: {
        auto cursor = txn.OpenWriteCursor(keyspace);
        if (!Note(cursor) || !cursor->SeekLowerBound(SomeKey(name))) return;
        Note(random_() % 2 == 0 ? cursor->Delete() : cursor->Put(value));
        for (int i = 0; i < 5 && cursor->Next(); ++i) Touch(*cursor);
        return;
      }
      case 14: {
        if (random_() % 2 == 0) {
          Note(txn.CreateKeyspace("new"));
        } else {
          Note(txn.RenameKeyspace(keyspace, "renamed"));
        }
        return;
      }
      default:
        if (random_() % 4 == 0) Note(txn.DropKeyspace(keyspace));
        return;
    }
  }

  void Salvage() {
    Note(espalier::Salvage(file_.path(),
                           [&](std::string_view, std::string_view key, std::string_view value) {
                             for (const char byte : key) sum_ += static_cast<uint8_t>(byte);
                             for (const char byte : value) sum_ += static_cast<uint8_t>(byte);
                             return absl::OkStatus();
                           }));
  }

  MemoryFile& file_;
  const Contents& contents_;
  std::mt19937_64 random_;
  bool read_only_ = false;
  uint64_t sum_ = 0;
};

void Fuzz(const Sample& sample, int rounds) {
  const uint64_t seed = TestSeed(1);
  Mutator mutator(sample.image);
  ASSERT_GE(mutator.nodes().size(), 5u);
  [[maybe_unused]] static const bool once = (TellRoundAtSignals(), true);
  std::map<absl::StatusCode, int> codes;
  std::chrono::steady_clock::duration longest{};
  std::string longest_round;
  MemoryFile file;
  for (int round = 0; round < rounds; ++round) {
    // A seed of its own, so that a single round can be repeated: round R of seed S is round 0 of
    // seed S + R.
    std::mt19937_64 random(seed + static_cast<uint64_t>(round));
    file.SetContent({});
    file.SetContent(mutator.Mutate(random));
    const std::string round_text =
        absl::StrCat("ESPALIER_SEED=", seed + static_cast<uint64_t>(round),
                     " ESPALIER_ROUNDS=1: ", mutator.describe());
    std::snprintf(current_round, sizeof(current_round), "%s", round_text.c_str());
    SCOPED_TRACE(round_text);
    alarm(kSecondsPerRound);
    const auto begin = std::chrono::steady_clock::now();
    Ordeal ordeal(file, sample.contents, random());
    ordeal.Run();
    const auto elapsed = std::chrono::steady_clock::now() - begin;
    if (elapsed > longest) {
      longest = elapsed;
      longest_round = absl::StrCat(round_text, ": ", ordeal.steps);
    }
    for (const auto& [code, count] : ordeal.codes) codes[code] += count;
    EXPECT_EQ(ordeal.strange, "") << ordeal.steps;
    if (::testing::Test::HasFailure()) break;
  }
  alarm(0);
  for (const auto& [code, count] : codes) {
    std::printf("%s: %d\n", absl::StatusCodeToString(code).c_str(), count);
  }
  std::printf("the longest round took %lld ms: %s\n",
              static_cast<long long>(
                  std::chrono::duration_cast<std::chrono::milliseconds>(longest).count()),
              longest_round.c_str());
  EXPECT_GT(codes[absl::StatusCode::kOk], 0);
  EXPECT_GT(codes[absl::StatusCode::kDataLoss], 0);
}

TEST(SealedFuzzTest, SmallPages) { Fuzz(MakeSample(), Rounds(2000)); }

TEST(SealedFuzzTest, ChunkedValue) { Fuzz(MakeSample({.chunked_value = true}), Rounds(500)); }

TEST(SealedFuzzTest, DroppedTree) { Fuzz(MakeSample({.dropped_tree = true}), Rounds(500)); }

TEST(SealedFuzzTest, LargePages) { Fuzz(MakeSample({.page_size_bytes = 65536}), Rounds(300)); }

}  // namespace
}  // namespace espalier
