// Opening what is no database, or must not be opened: each case gives the status that
// api/database.h promises, and leaves whatever is there as it was.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_for_testing.h"
#include "engine/os/fault_injection.h"
#include "engine/os/temp_dir_for_testing.h"
#include "espalier/espalier.h"
#include "gtest/gtest.h"
#include "tests/hostile/memory_file.h"
#include "tests/hostile/sample_database.h"
#include "tests/hostile/scratch_dir.h"
#include "tests/support/child_process.h"

namespace espalier {
namespace {

using testing::Bytes;
using testing::FileSystem;
using ::testing::HasSubstr;
using testing::InChild;
using testing::InChildAsNobody;
using ::testing::IsEmpty;
using testing::MakeSample;
using testing::MemoryFile;
using testing::PublicDir;
using testing::ReadEverything;
using testing::ReadFile;
using testing::Sample;
using testing::SmallFileSystem;
using testing::SmallMappingOptions;
using testing::WriteFile;

constexpr uint64_t kSectorBytes = 512;

Options ReadOnly() {
  Options options;
  options.read_only = true;
  return options;
}

Options NoCreation() {
  Options options;
  options.create_if_missing = false;
  return options;
}

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

class OpeningTest : public ::testing::Test {
 protected:
  std::string Path(std::string_view name = "db.esp") const { return dir_.File(name); }

  // A small database at the path.
  void Create(const std::string& path) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    ASSERT_THAT(db.Close(), IsOk());
  }

  os::TempDir dir_;
};

TEST_F(OpeningTest, MissingFile) {
  EXPECT_THAT(Database::Open(Path(), NoCreation()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path())));
  EXPECT_THAT(Database::Open(Path(), ReadOnly()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path())));
  EXPECT_THAT(NamesIn(dir_.path()), IsEmpty());
  // Without a directory even where the file may be created.
  EXPECT_THAT(Database::Open(Path("no/such/directory.esp")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(OpeningTest, EmptyPath) {
  EXPECT_THAT(Database::Open(""), ::testing::Not(IsOk()));
  EXPECT_THAT(Database::Open(std::string("a\0b", 3)), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(OpeningTest, Directory) {
  for (const Options& options : {Options(), ReadOnly()}) {
    EXPECT_THAT(Database::Open(dir_.path(), options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(dir_.path())));
  }
}

TEST_F(OpeningTest, WhatIsNoRegularFile) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  for (const std::string& path : {Path("fifo"), std::string("/dev/null")}) {
    for (const Options& options : {Options(), ReadOnly()}) {
      EXPECT_THAT(Database::Open(path, options), StatusIs(absl::StatusCode::kInvalidArgument));
    }
  }
  // A link that leads nowhere is nothing to create a file behind.
  std::filesystem::create_symlink("nowhere", Path("link"));
  EXPECT_THAT(Database::Open(Path("link"), NoCreation()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Database::Open(Path("link")), ::testing::Not(IsOk()));
  EXPECT_FALSE(std::filesystem::exists(Path("nowhere")));
}

TEST_F(OpeningTest, EmptyFile) {
  WriteFile(Path(), {});
  for (const Options& options : {Options(), ReadOnly()}) {
    EXPECT_THAT(Database::Open(Path(), options), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_EQ(ReadFile(Path()).size(), 0u);
}

TEST_F(OpeningTest, FileOfAnotherProgram) {
  std::string sqlite("SQLite format 3\0", 16);
  sqlite.resize(100000, '\x11');
  const std::string elf =
      "\x7f"
      "ELF" +
      std::string(5000, '\0');
  for (const std::string& content : {std::string("x"), std::string("no database"), sqlite, elf,
                                     std::string(50000, '\0'), std::string(50000, '\xff')}) {
    const Bytes bytes(content.begin(), content.end());
    WriteFile(Path(), bytes);
    for (const Options& options : {Options(), ReadOnly()}) {
      EXPECT_THAT(Database::Open(Path(), options), StatusIs(absl::StatusCode::kInvalidArgument));
    }
    EXPECT_EQ(ReadFile(Path()), bytes);
  }
}

// Somebody makes a file of that name just before the new database gets it (INV-14).
class Forestaller : public os::SystemCallObserver {
 public:
  explicit Forestaller(std::string path) : path_(std::move(path)) {}

  int BeforeCall(const os::SystemCall& call) override {
    if (call.kind == os::SystemCallKind::kRename && call.second_path == path_) {
      WriteFile(path_, Bytes{'x'});
    }
    return 0;
  }

 private:
  const std::string path_;
  os::ScopedSystemCallObserver observing_{this};
};

TEST_F(OpeningTest, CreatedMeanwhileByAnother) {
  {
    const Forestaller forestaller(Path());
    EXPECT_THAT(Database::Open(Path()), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_EQ(ReadFile(Path()), Bytes{'x'});
  EXPECT_THAT(NamesIn(dir_.path()), ::testing::ElementsAre("db.esp"));
}

TEST_F(OpeningTest, TruncatedAtAnySector) {
  const Sample sample = MakeSample();
  ASSERT_EQ(sample.image.size() % kSectorBytes, 0u);
  MemoryFile file;
  for (uint64_t size = 0; size < sample.image.size(); size += kSectorBytes) {
    SCOPED_TRACE(absl::StrCat("truncated to ", size));
    const Bytes image(sample.image.begin(), sample.image.begin() + static_cast<ptrdiff_t>(size));
    file.SetContent(image);
    for (const bool read_only : {false, true}) {
      EXPECT_THAT(
          Database::Open(file.path(), SmallMappingOptions(read_only)),
          StatusIs(size == 0 ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kDataLoss));
    }
    EXPECT_EQ(file.Content(), image);
  }
  // And not because nothing opens.
  file.SetContent(sample.image);
  EXPECT_THAT(Database::Open(file.path(), SmallMappingOptions()), IsOk());
}

// What another program appended does no harm.
TEST_F(OpeningTest, LongerThanItShouldBe) {
  const Sample sample = MakeSample();
  MemoryFile file;
  for (const uint64_t more : {1, 511, 4096, 100000}) {
    Bytes image = sample.image;
    image.resize(image.size() + more, 0x5a);
    file.SetContent(image);
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(file.path(), SmallMappingOptions()));
    EXPECT_EQ(ReadEverything(db, sample.contents).wrong, "");
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", std::string(100000, 'x')), IsOk());
    ASSERT_THAT(db.Checkpoint(), IsOk());
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_THAT(db.Close(), IsOk());
  }
}

TEST_F(OpeningTest, WrongPageSize) {
  for (const uint32_t page_size : {0u, 1u, 512u, 2048u, 4095u, 5000u, 131072u, UINT32_MAX}) {
    Options options;
    options.page_size_bytes = page_size;
    EXPECT_THAT(Database::Open(Path(), options), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(Database::OpenInMemory(options), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(NamesIn(dir_.path()), IsEmpty());
  // An existing file keeps its own.
  Create(Path());
  Options options;
  options.page_size_bytes = 65536;
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(Path(), options));
  ESPALIER_ASSERT_OK_AND_ASSIGN(const Stats stats, db.GetStats());
  EXPECT_EQ(stats.page_size_bytes, 4096u);
}

TEST_F(OpeningTest, SlotsDamaged) {
  const Sample sample = MakeSample();
  MemoryFile file;
  for (int damaged = 1; damaged < 4; ++damaged) {
    file.SetContent(sample.image);
    if ((damaged & 1) != 0) file.WriteByte(16384 + 40, 0xee);
    if ((damaged & 2) != 0) file.WriteByte(32768 + 40, 0xee);
    auto db = Database::Open(file.path(), SmallMappingOptions());
    if (damaged == 3) {
      EXPECT_THAT(db, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("slot")));
    } else {
      ASSERT_THAT(db, IsOk());
      EXPECT_EQ(ReadEverything(*db, sample.contents).wrong, "");
    }
  }
}

// What a stray write of zeros leaves is a damaged database, not another program's file.
TEST_F(OpeningTest, SuperblockZeroed) {
  const Sample sample = MakeSample();
  MemoryFile file;
  for (const bool slots_too : {false, true}) {
    Bytes image = sample.image;
    std::fill_n(image.begin(), slots_too ? 32768 + 4096 : 4096, uint8_t{0});
    file.SetContent(image);
    EXPECT_THAT(
        Database::Open(file.path(), SmallMappingOptions()),
        StatusIs(slots_too ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kDataLoss));
    EXPECT_EQ(file.Content(), image);
  }
}

TEST_F(OpeningTest, AlreadyOpenInThisProcess) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(Path()));
  std::filesystem::create_symlink(Path(), Path("symbolic"));
  std::filesystem::create_hard_link(Path(), Path("hard"));
  for (const char* const name : {"db.esp", "symbolic", "hard"}) {
    for (const Options& options : {Options(), ReadOnly()}) {
      EXPECT_THAT(Database::Open(Path(name), options),
                  StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(name)));
    }
  }
  // Trying did no harm.
  ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
  ASSERT_THAT(db.Close(), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database again, Database::Open(Path("hard")));
  EXPECT_THAT(again.Get(again.default_keyspace(), "key"), IsOkAndHolds("value"));
}

TEST_F(OpeningTest, OpenInAnotherProcess) {
  Create(Path());
  const auto open_in_child = [&](const Options& options) {
    return InChild([&] { return Database::Open(Path(), options).status().ToString(); });
  };
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(Path()));
    EXPECT_THAT(open_in_child(Options()), HasSubstr("UNAVAILABLE"));
    EXPECT_THAT(open_in_child(ReadOnly()), HasSubstr("UNAVAILABLE"));
  }
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(Path(), ReadOnly()));
    EXPECT_THAT(open_in_child(Options()), HasSubstr("UNAVAILABLE"));
    EXPECT_EQ(open_in_child(ReadOnly()), "OK");
  }
  EXPECT_EQ(open_in_child(Options()), "OK");
}

TEST_F(OpeningTest, HandleUsedAfterFork) {
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(Path()));
  ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(ReadTransaction txn, db.BeginRead());
  EXPECT_EQ(InChild([&]() -> std::string {
              const Keyspace keyspace = db.default_keyspace();
              for (const absl::Status& status :
                   {db.BeginRead().status(), db.BeginWrite().status(), db.Checkpoint(), db.Close(),
                    db.Verify().status(), db.Compact().status(), db.GetStats().status(),
                    db.Get(keyspace, "key").status(), txn.Get(keyspace, "key").status(),
                    txn.OpenCursor(keyspace).status(), txn.Count(keyspace).status()}) {
                if (!absl::IsFailedPrecondition(status)) return status.ToString() + "; ";
              }
              return "";
            }),
            "");
  EXPECT_THAT(txn.Get(db.default_keyspace(), "key"), IsOkAndHolds("value"));
}

class PermissionTest : public ::testing::Test {
 protected:
  static std::string Open(const std::string& path, const Options& options = {}) {
    return InChildAsNobody([&] { return Database::Open(path, options).status().ToString(); });
  }
  static void Create(const std::string& path, mode_t mode) {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    ASSERT_THAT(db.Close(), IsOk());
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }

  PublicDir dir_;
};

TEST_F(PermissionTest, ReadOnlyFile) {
  const std::string path = dir_.File("db.esp");
  Create(path, 0444);
  EXPECT_THAT(Open(path), HasSubstr("PERMISSION_DENIED"));
  EXPECT_EQ(Open(path, ReadOnly()), "OK");
}

TEST_F(PermissionTest, NoPermission) {
  const std::string path = dir_.File("db.esp");
  Create(path, 0000);
  EXPECT_THAT(Open(path), HasSubstr("PERMISSION_DENIED"));
  EXPECT_THAT(Open(path, ReadOnly()), HasSubstr("PERMISSION_DENIED"));
  ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  ASSERT_EQ(chmod(dir_.path().c_str(), 0700), 0);
  EXPECT_THAT(Open(path), HasSubstr("PERMISSION_DENIED"));
}

TEST_F(PermissionTest, ReadOnlyDirectory) {
  const std::string path = dir_.File("db.esp");
  ASSERT_EQ(chmod(dir_.path().c_str(), 0555), 0);
  EXPECT_THAT(Open(path), HasSubstr("PERMISSION_DENIED"));
  EXPECT_THAT(NamesIn(dir_.path()), IsEmpty());
  // A file that is there needs nothing of its directory, as long as no log has to be made.
  ASSERT_EQ(chmod(dir_.path().c_str(), 0755), 0);
  Create(path, 0666);
  ASSERT_EQ(chmod(dir_.path().c_str(), 0555), 0);
  EXPECT_EQ(InChildAsNobody([&] {
              auto db = Database::Open(path);
              if (!db.ok()) return db.status().ToString();
              auto put = db->Put(db->default_keyspace(), "a", "b");
              EXPECT_THAT(put, StatusIs(absl::StatusCode::kPermissionDenied));
              auto write = db->BeginWrite({.durability = Durability::kCheckpoint});
              if (!write.ok()) return write.status().ToString();
              EXPECT_THAT(write->Put(db->default_keyspace(), "a", "b"), IsOk());
              EXPECT_THAT(write->Commit(), IsOk());
              return db->Close().ToString();
            }),
            "OK");
}

TEST(FileSystemTest, MountedReadOnly) {
  const auto mounted = SmallFileSystem::Mount(FileSystem::kTmpfs, size_t{4} << 20);
  if (mounted == nullptr) GTEST_SKIP() << "cannot mount one";
  const std::string path = mounted->File("db.esp");
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path));
    ASSERT_THAT(db.Put(db.default_keyspace(), "key", "value"), IsOk());
    ASSERT_THAT(db.Close(), IsOk());
  }
  ASSERT_TRUE(mounted->MakeReadOnly());
  EXPECT_THAT(Database::Open(path), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(Database::Open(mounted->File("new.esp")),
              StatusIs(absl::StatusCode::kPermissionDenied));
  ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(path, ReadOnly()));
  EXPECT_THAT(db.Get(db.default_keyspace(), "key"), IsOkAndHolds("value"));
  EXPECT_THAT(db.BeginWrite(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(FileSystemTest, NoSpaceToCreate) {
  const auto mounted = SmallFileSystem::Mount(FileSystem::kTmpfs, size_t{16} << 10);
  if (mounted == nullptr) GTEST_SKIP() << "cannot mount one";
  EXPECT_THAT(Database::Open(mounted->File("db.esp")),
              StatusIs(absl::StatusCode::kResourceExhausted));
  // Neither the file nor its temporary stays behind.
  EXPECT_EQ(mounted->List(), "");
}

// Opening for reading, and reading, writes nothing.
TEST_F(OpeningTest, ReadOnlyNeverWrites) {
  const Sample sample = MakeSample({.chunked_value = true, .dropped_tree = true});
  WriteFile(Path(), sample.image);
  ASSERT_EQ(chmod(Path().c_str(), 0444), 0);
  const auto modified = std::filesystem::last_write_time(Path());
  struct stat before;
  ASSERT_EQ(stat(Path().c_str(), &before), 0);
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(Path(), ReadOnly()));
    EXPECT_EQ(ReadEverything(db, sample.contents).wrong, "");
    ESPALIER_ASSERT_OK_AND_ASSIGN(const VerifyReport report, db.Verify());
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_THAT(db.GetStats(), IsOk());
    EXPECT_THAT(db.BeginWrite(), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(db.Put(db.default_keyspace(), "a", "b"),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(db.Checkpoint(), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(db.Compact(), StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(db.CopyTo(Path("copy.esp")), IsOk());
    EXPECT_THAT(db.Close(), IsOk());
  }
  EXPECT_THAT(Salvage(Path(), [](auto...) { return absl::OkStatus(); }), IsOk());
  struct stat after;
  ASSERT_EQ(stat(Path().c_str(), &after), 0);
  EXPECT_EQ(std::filesystem::last_write_time(Path()), modified);
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  EXPECT_EQ(after.st_blocks, before.st_blocks);
  EXPECT_EQ(ReadFile(Path()), sample.image);
}

// Nor does opening for writing and only reading, so that a look does not make a backup stale.
TEST_F(OpeningTest, ReadingOnlyNeverWrites) {
  const Sample sample = MakeSample();
  WriteFile(Path(), sample.image);
  const auto modified = std::filesystem::last_write_time(Path());
  {
    ESPALIER_ASSERT_OK_AND_ASSIGN(Database db, Database::Open(Path()));
    EXPECT_EQ(ReadEverything(db, sample.contents).wrong, "");
    EXPECT_THAT(db.Verify(), IsOk());
    EXPECT_THAT(db.Close(), IsOk());
  }
  EXPECT_EQ(std::filesystem::last_write_time(Path()), modified);
  EXPECT_EQ(ReadFile(Path()), sample.image);
}

}  // namespace
}  // namespace espalier
