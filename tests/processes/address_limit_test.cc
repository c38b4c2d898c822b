// A process under `ulimit -v` (RLIMIT_AS), which refuses the usual reservation of 1 TiB: the engine
// takes less, maps anew when that is full, and says what is the matter when nothing is left. In
// child processes, since a limit stays.
#include <sys/resource.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/support/child_process.h"
#include "tests/support/test_database.h"

namespace espalier::testing {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Leaves the process so much address space beyond what it has now.
std::string LimitAddressSpace(size_t more_bytes) {
  uint64_t pages_now = 0;
  std::ifstream("/proc/self/statm") >> pages_now;
  const rlim_t limit = pages_now * 4096 + more_bytes;
  const rlimit limits{limit, limit};
  return setrlimit(RLIMIT_AS, &limits) == 0 ? "" : "no setrlimit";
}

std::string KeyOf(int i) { return absl::StrCat("key", 1000 + i); }

// Empty if the transaction reads `count` values of 1 MiB.
std::string FindFault(const ReadTransaction& txn, const Keyspace& keyspace, int count) {
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<std::string_view> value = txn.Get(keyspace, KeyOf(i));
    if (!value.ok()) return value.status().ToString();
    if (value->size() != kMiB || value->back() != static_cast<char>(i)) {
      return absl::StrCat("value ", i, " is wrong");
    }
  }
  return "";
}

// Puts values of 1 MiB until `count` are there.
absl::Status Fill(Database& db, int from, int count) {
  for (int i = from; i < count; ++i) {
    const absl::Status put =
        db.Put(db.default_keyspace(), KeyOf(i), std::string(kMiB, static_cast<char>(i))).status();
    if (!put.ok()) return put;
  }
  return absl::OkStatus();
}

TEST(AddressLimitTest, LessIsReservedAndOutgrown) {
  const os::TempDir dir;
  const auto run = [&]() -> std::string {
    if (const std::string fault = LimitAddressSpace(600 * kMiB); !fault.empty()) return fault;
    absl::StatusOr<Database> db = Database::Open(dir.File("test.esp"));
    if (!db.ok()) return db.status().ToString();
    const uint64_t mapped_at_first = db->GetStats()->mapped_bytes;
    if (mapped_at_first > 600 * kMiB) return "the limit did not hold";
    std::string faults;
    {
      if (const absl::Status fill = Fill(*db, 0, 40); !fill.ok()) return fill.ToString();
      const absl::StatusOr<ReadTransaction> reader = db->BeginRead();
      if (!reader.ok()) return reader.status().ToString();
      if (const absl::Status fill = Fill(*db, 40, 110); !fill.ok()) return fill.ToString();
      if (db->GetStats()->mapped_bytes <= mapped_at_first) return "it was not outgrown";
      faults += FindFault(*reader, db->default_keyspace(), 40);
      const absl::StatusOr<ReadTransaction> newest = db->BeginRead();
      if (!newest.ok()) return newest.status().ToString();
      faults += FindFault(*newest, db->default_keyspace(), 110);
    }
    faults += VerifyProblems(*db);
    return faults + std::string(db->Close().message());
  };
  EXPECT_EQ(InChild(run), "");
}

TEST(AddressLimitTest, NothingLeftIsAStatus) {
  const os::TempDir dir;
  const auto run = [&]() -> std::string {
    if (const std::string fault = LimitAddressSpace(200 * kMiB); !fault.empty()) return fault;
    absl::StatusOr<Database> db = Database::Open(dir.File("test.esp"));
    if (!db.ok()) return db.status().ToString();
    const Keyspace keyspace = db->default_keyspace();
    // A reader keeps the first mapping, so that there is not room for ever larger ones.
    if (const absl::Status fill = Fill(*db, 0, 10); !fill.ok()) return fill.ToString();
    const absl::StatusOr<ReadTransaction> reader = db->BeginRead();
    if (!reader.ok()) return reader.status().ToString();
    const absl::Status full = Fill(*db, 10, 400);
    if (!absl::IsResourceExhausted(full)) return absl::StrCat("no end: ", full.ToString());
    if (full.message().find("RLIMIT_AS") == std::string_view::npos) return full.ToString();

    // What is there is there, deleting works, and what fits can be put.
    std::string faults = FindFault(*reader, keyspace, 10);
    if (const auto deleted = db->Delete(keyspace, KeyOf(5)); !deleted.ok() || !*deleted) {
      faults += absl::StrCat("delete: ", deleted.status().ToString());
    }
    if (const auto put = db->Put(keyspace, "small", "value"); !put.ok()) {
      faults += put.status().ToString();
    }
    faults += VerifyProblems(*db);
    return faults;
  };
  EXPECT_EQ(InChild(run), "");
}

TEST(AddressLimitTest, TooLittleToOpen) {
  const os::TempDir dir;
  const std::string path = dir.File("test.esp");
  EXPECT_EQ(InChild([&]() -> std::string {
              absl::StatusOr<Database> db = Database::Open(path);
              if (!db.ok()) return db.status().ToString();
              if (const absl::Status fill = Fill(*db, 0, 60); !fill.ok()) return fill.ToString();
              return std::string(db->Close().message());
            }),
            "");
  EXPECT_EQ(InChild([&]() -> std::string {
              if (const std::string fault = LimitAddressSpace(40 * kMiB); !fault.empty()) {
                return fault;
              }
              const absl::Status refused = Database::Open(path).status();
              if (!absl::IsResourceExhausted(refused)) return refused.ToString();
              return refused.message().find("RLIMIT_AS") == std::string_view::npos
                         ? refused.ToString()
                         : "";
            }),
            "");
  // The refusal left no lock behind.
  ESPALIER_EXPECT_OK(Database::Open(path));
}

}  // namespace
}  // namespace espalier::testing
