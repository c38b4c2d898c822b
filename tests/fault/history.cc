#include "tests/fault/history.h"

#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "tests/support/numbered_value.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

enum class Way { kPut, kAppend, kReserve, kDelete };

struct Operation {
  Way way;
  std::string key;
  std::string value;
};

std::vector<Operation> OperationsOf(int number) {
  const auto value = [&](int part, size_t bytes) {
    return NumberedValue(1, static_cast<uint64_t>(number), static_cast<uint64_t>(part), bytes);
  };
  std::vector<Operation> operations = {{Way::kPut, MarkerOf(number), value(0, 20)}};
  const auto put = [&](std::string key, size_t bytes) {
    operations.push_back({Way::kPut, key, value(static_cast<int>(operations.size()), bytes)});
  };
  put("often", 100);
  switch (number % 8) {
    case 0:
      put("some", 1000);
      break;
    case 1:
      operations.push_back({Way::kReserve, "reserved", value(1, 60000)});
      break;
    case 2:  // the largest values that go through the log, and one that does not
      for (int i = 0; i < 4; ++i) put(absl::StrCat("medium", i), 60000);
      put("large", 200000);
      break;
    case 3:
      for (int i = 0; i < 40; ++i) put(absl::StrCat("many", i), 300);
      break;
    case 4:
      put("huge", 1300000);
      break;
    case 5:
      operations.push_back({Way::kDelete, "huge", ""});
      operations.push_back({Way::kDelete, "large", ""});
      operations.push_back({Way::kDelete, "medium1", ""});
      break;
    case 6:
      for (int i = 0; i < 40; i += 2)
        operations.push_back({Way::kDelete, absl::StrCat("many", i), ""});
      break;
    case 7:  // some 40 leaves, which the log refers to
      put("some", 3000);
      for (int i = 0; i < 160; ++i) {
        operations.push_back(
            {Way::kAppend, absl::StrCat("z", 1000 * (1000 + number) + i), value(i, 900)});
      }
      break;
  }
  return operations;
}

class Checker {
 public:
  Checker(Database& db, const History& history) : db_(db), history_(history) {}

  std::string Check() {
    const absl::StatusOr<ReadTransaction> txn = db_.BeginRead();
    if (!txn.ok()) return txn.status().ToString();
    for (int i = 0; i < kMaxCommits; ++i) {
      present_.push_back(txn->Contains(db_.default_keyspace(), MarkerOf(i)).value_or(false));
    }
    for (int i = 0; i < kMaxCommits; ++i) CheckOne(i);
    CheckContent(*txn);
    return problems_ + VerifyProblems(db_);
  }

 private:
  // Whether the session has a later commit of which `predicate` holds.
  template <typename Predicate>
  bool AnyLater(int number, Predicate predicate) const {
    for (int i = number + 1; i < kMaxCommits; ++i) {
      if (At(i).session == At(number).session && predicate(i)) return true;
    }
    return false;
  }
  const History::Commit& At(int number) const {
    return history_.commits[static_cast<size_t>(number)];
  }
  void Expect(bool expected, int number, const char* why) {
    if (present_[static_cast<size_t>(number)] == expected) return;
    absl::StrAppend(&problems_, "commit ", number, expected ? " is not there" : " is there",
                    ", although ", why, "\n");
  }

  void CheckOne(int number) {
    const auto is_there = [&](int i) { return bool{present_[static_cast<size_t>(i)]}; };
    const auto worked = [&](int i) { return At(i).outcome == Outcome::kAcknowledged; };
    switch (At(number).outcome) {
      case Outcome::kNotAttempted:
        Expect(false, number, "nobody made it");
        break;
      case Outcome::kRefused:
        Expect(false, number, "it was refused before Commit()");
        break;
      case Outcome::kFailed:
        // The handle lived on, so that it knew the outcome.
        if (AnyLater(number, worked)) Expect(false, number, "it failed and later ones did not");
        break;
      case Outcome::kAcknowledged:
        if (DurabilityOfCommit(number) != Durability::kCheckpoint) {
          Expect(true, number, "it was acknowledged");
        } else if (At(number).checkpoint_followed) {
          Expect(true, number, "it was acknowledged before a checkpoint");
        } else if (AnyLater(number, is_there)) {
          Expect(true, number, "later ones are");
        }
        break;
    }
  }

  void CheckContent(const ReadTransaction& txn) {
    std::map<std::string, std::string> model;
    for (int i = 0; i < kMaxCommits; ++i) {
      if (present_[static_cast<size_t>(i)]) PerformCommit(model, i);
    }
    auto expected = model.begin();
    Scan scan = txn.Scan(db_.default_keyspace());
    for (const Entry& entry : scan) {
      if (expected == model.end() || entry.key != expected->first) {
        absl::StrAppend(&problems_, std::string(entry.key), " should not be there\n");
        return;
      }
      if (entry.value != expected->second) {
        absl::StrAppend(&problems_, expected->first, " is not what it should be\n");
      }
      ++expected;
    }
    if (!scan.status().ok()) absl::StrAppend(&problems_, scan.status().ToString(), "\n");
    if (expected != model.end()) absl::StrAppend(&problems_, expected->first, " is missing\n");
  }

  Database& db_;
  const History& history_;
  std::vector<bool> present_;
  std::string problems_;
};

}  // namespace

Durability DurabilityOfCommit(int number) {
  switch (number % 8) {
    case 3:
      return Durability::kCheckpoint;
    case 1:
    case 5:
    case 7:
      return Durability::kAsync;
    default:
      return Durability::kSync;
  }
}

std::string MarkerOf(int number) { return absl::StrCat("commit", 1000 + number); }

absl::Status PerformCommit(WriteTransaction& txn, const Keyspace& keyspace, int number) {
  for (const Operation& operation : OperationsOf(number)) {
    if (operation.way == Way::kDelete) {
      ESPALIER_RETURN_IF_ERROR(txn.Delete(keyspace, operation.key).status());
    } else if (operation.way == Way::kPut) {
      ESPALIER_RETURN_IF_ERROR(txn.Put(keyspace, operation.key, operation.value));
    } else if (operation.way == Way::kAppend) {
      ESPALIER_RETURN_IF_ERROR(txn.Append(keyspace, operation.key, operation.value));
    } else {
      ESPALIER_ASSIGN_OR_RETURN(const absl::Span<char> room,
                                txn.Reserve(keyspace, operation.key, operation.value.size()));
      std::memcpy(room.data(), operation.value.data(), room.size());
    }
  }
  return absl::OkStatus();
}

void PerformCommit(std::map<std::string, std::string>& model, int number) {
  for (Operation& operation : OperationsOf(number)) {
    if (operation.way == Way::kDelete) {
      model.erase(operation.key);
    } else {
      model[operation.key] = std::move(operation.value);
    }
  }
}

std::string CheckHistory(Database& db, const History& history) {
  return Checker(db, history).Check();
}

}  // namespace espalier::testing
