#include "engine/os/mapping.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/status_for_testing.h"
#include "engine/os/failing_calls_for_testing.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::os {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kReserve = Mapping::DefaultReservation();

class MappingTest : public ::testing::Test {
 protected:
  // A file of `pages` host pages, each filled with its number plus 1.
  File MakeFile(size_t pages) {
    File file = File::CreateExclusive(dir_.File("file")).value();
    for (size_t page = 0; page < pages; ++page) {
      const std::vector<uint8_t> bytes(kPage, static_cast<uint8_t>(page + 1));
      EXPECT_THAT(file.WriteAt(page * kPage, bytes), IsOk());
    }
    return file;
  }

  uint8_t ByteInFile(const File& file, size_t offset) {
    uint8_t byte = 0;
    EXPECT_THAT(file.ReadAt(offset, {&byte, 1}), IsOkAndHolds(1u));
    return byte;
  }

  const TempDir dir_;
  const size_t kPage = HostPageBytes();
};

std::unique_ptr<Mapping> MapOrDie(const File& file, Access access = Access::kReadWrite,
                                  bool separate_read_view = false) {
  return Mapping::Map(file, kReserve, access, separate_read_view).value();
}

TEST_F(MappingTest, SeesTheFileThroughOneViewOrTwo) {
  File file = MakeFile(2);
  for (const bool separate : {false, true}) {
    const std::unique_ptr<Mapping> mapping = MapOrDie(file, Access::kReadWrite, separate);
    EXPECT_EQ(mapping->capacity_bytes(), kReserve);
    EXPECT_EQ(mapping->read_base() != mapping->write_base(), separate);
    EXPECT_EQ(mapping->read_base()[kPage], 2);
    mapping->write_base()[kPage + 1] = 77;
    EXPECT_EQ(mapping->read_base()[kPage + 1], 77);
    EXPECT_EQ(ByteInFile(file, kPage + 1), 77);
    EXPECT_THAT(mapping->Sync(0, 2 * kPage), IsOk());
    EXPECT_FALSE(mapping->faulted());
  }
}

TEST_F(MappingTest, CapacityIsWholeHostPages) {
  const File file = MakeFile(1);
  const auto mapping = Mapping::Map(file, kPage + 1, Access::kReadOnly, false).value();
  EXPECT_EQ(mapping->capacity_bytes(), 2 * kPage);
  EXPECT_THAT(Mapping::Map(file, SIZE_MAX, Access::kReadOnly, false),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(MappingTest, GrowthOfTheFileNeedsNoNewMapping) {
  File file = MakeFile(1);
  const std::unique_ptr<Mapping> mapping = MapOrDie(file);
  ASSERT_THAT(file.Allocate(0, 100 * kPage), IsOk());
  mapping->write_base()[99 * kPage] = 5;
  EXPECT_EQ(ByteInFile(file, 99 * kPage), 5);
  EXPECT_EQ(mapping->read_base()[0], 1);
  EXPECT_FALSE(mapping->faulted());
}

TEST_F(MappingTest, OutlivesTheFile) {
  std::unique_ptr<Mapping> mapping;
  {
    const File file = MakeFile(1);
    mapping = MapOrDie(file);
  }
  EXPECT_EQ(mapping->read_base()[0], 1);
  EXPECT_THAT(mapping->Sync(0, kPage), IsOk());
}

// "rr": random access, "dd": not in core dumps, "dc": not in fork children.
TEST_F(MappingTest, EveryViewIsAdvised) {
  const File file = MakeFile(1);
  const std::unique_ptr<Mapping> mapping = MapOrDie(file, Access::kReadWrite, true);
  std::ifstream smaps("/proc/self/smaps");
  int views = 0;
  bool in_view = false;
  for (std::string line; std::getline(smaps, line);) {
    if (line.find(file.path()) != std::string::npos) in_view = true;
    if (in_view && line.rfind("VmFlags:", 0) == 0) {
      ++views;
      in_view = false;
      EXPECT_THAT(line + " ", AllOf(HasSubstr(" rr "), HasSubstr(" dd "), HasSubstr(" dc ")));
    }
  }
  EXPECT_EQ(views, 2);
}

TEST_F(MappingTest, RefusedAdviceAtMappingIsAnError) {
  const File file = MakeFile(1);
  const FailingCalls calls(SystemCallKind::kAdvise, ENOMEM, 2, 1);
  EXPECT_THAT(Mapping::Map(file, kReserve, Access::kReadOnly, false),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(file.path())));
}

TEST_F(MappingTest, ReadOnlyMappingsRefuseToWrite) {
  ASSERT_THAT(File::CreateExclusive(dir_.File("other")).value().Truncate(kPage), IsOk());
  ESPALIER_ASSERT_OK_AND_ASSIGN(const File file,
                                File::Open(dir_.File("other"), OpenMode::kReadOnly));
  const std::unique_ptr<Mapping> mapping = MapOrDie(file, Access::kReadOnly);
  EXPECT_EQ(mapping->write_base(), nullptr);
  EXPECT_THAT(mapping->Sync(0, kPage), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(mapping->PopulateWrite(0, kPage), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(mapping->PopulateRead(0, kPage), IsOk());
  EXPECT_THAT(Mapping::Map(file, kReserve, Access::kReadWrite, false),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(MappingTest, AStrayStoreThroughTheReadViewCrashes) {
  const File file = MakeFile(1);
  // The child of the death test makes a map of its own: it inherits none.
  EXPECT_DEATH(const_cast<uint8_t*>(MapOrDie(file, Access::kReadWrite, true)->read_base())[0] = 1,
               "");
}

TEST_F(MappingTest, AFileCutShortReadsAsZerosAndPoisonsTheMapping) {
  File file = MakeFile(4);
  const std::unique_ptr<Mapping> mapping = MapOrDie(file, Access::kReadWrite, true);
  EXPECT_EQ(mapping->read_base()[3 * kPage], 4);
  ASSERT_THAT(file.Truncate(2 * kPage), IsOk());
  EXPECT_EQ(mapping->read_base()[kPage], 2);
  EXPECT_FALSE(mapping->faulted());
  EXPECT_EQ(mapping->FaultedRange().length, 0u);

  EXPECT_EQ(mapping->read_base()[3 * kPage], 0);
  EXPECT_TRUE(mapping->faulted());
  EXPECT_EQ(mapping->FaultedRange().offset, 3 * kPage);
  EXPECT_EQ(mapping->FaultedRange().length, kPage);
  EXPECT_EQ(mapping->read_base()[kPage], 2);
  EXPECT_THAT(mapping->Sync(0, kPage),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(file.path())));
}

TEST_F(MappingTest, PopulateReportsWhatWouldBeASignal) {
  File file = MakeFile(2);
  const std::unique_ptr<Mapping> mapping = MapOrDie(file);
  EXPECT_THAT(mapping->PopulateRead(0, 2 * kPage), IsOk());
  EXPECT_THAT(mapping->PopulateWrite(1, 2 * kPage - 1), IsOk());
  EXPECT_EQ(mapping->read_base()[kPage], 2);
  EXPECT_THAT(mapping->PopulateRead(0, 3 * kPage),
              StatusIs(absl::StatusCode::kInternal, HasSubstr(file.path())));
  EXPECT_THAT(mapping->PopulateWrite(2 * kPage, 1), StatusIs(absl::StatusCode::kInternal));
  EXPECT_FALSE(mapping->faulted());
  const FailingCalls calls(SystemCallKind::kPopulate, EINVAL);
  EXPECT_THAT(mapping->PopulateRead(0, kPage), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_F(MappingTest, TellsWhatThePageCacheHas) {
  constexpr size_t kPages = 3000;  // more than one question's worth
  File file = File::CreateExclusive(dir_.File("holes")).value();
  ASSERT_THAT(file.Truncate(kPages * kPage), IsOk());
  const std::unique_ptr<Mapping> mapping = MapOrDie(file);
  const auto expect = [&](size_t first, size_t count, bool cached, size_t alike) {
    const Mapping::Cached found = mapping->CachedFrom(first * kPage, count * kPage);
    EXPECT_EQ(found.cached, cached) << first;
    EXPECT_EQ(found.length, alike * kPage) << first;
  };
  expect(0, kPages, false, kPages);
  ASSERT_THAT(file.WriteZeros(2000 * kPage, 500 * kPage), IsOk());
  expect(0, kPages, false, 2000);
  expect(2000, 1000, true, 500);
  expect(2100, 400, true, 400);
  expect(2499, 2, true, 1);
  expect(2500, 1, false, 1);
}

TEST_F(MappingTest, AFailedFlushIsReportedOnce) {
  const File file = MakeFile(1);
  const std::unique_ptr<Mapping> mapping = MapOrDie(file);
  const FailingCalls calls(SystemCallKind::kSyncMapping, EINTR);
  EXPECT_THAT(mapping->Sync(0, kPage),
              StatusIs(absl::StatusCode::kInternal, HasSubstr(file.path())));
  EXPECT_EQ(calls.calls(), 1);
}

TEST_F(MappingTest, AdviceChangesNoByte) {
  const File file = MakeFile(10);
  const std::unique_ptr<Mapping> mapping = MapOrDie(file);
  mapping->Prefetch(0, 10 * kPage);
  mapping->Separate(0, 10 * kPage);
  mapping->Prefetch(0, 100 * kPage);  // past the end of the file, too
  for (size_t page = 0; page < 10; ++page) EXPECT_EQ(mapping->read_base()[page * kPage], page + 1);
  EXPECT_FALSE(mapping->faulted());
}

TEST_F(MappingTest, DroppedTranslationsLoseNoStore) {
  const File file = MakeFile(4);
  for (const Access access : {Access::kReadWrite, Access::kPrivate}) {
    const std::unique_ptr<Mapping> mapping = MapOrDie(file, access);
    mapping->write_base()[kPage] = 99;
    mapping->DropTranslations(0, 4 * kPage);
    for (size_t page = 0; page < 4; ++page) {
      EXPECT_EQ(mapping->read_base()[page * kPage], page == 1 ? 99 : page + 1);
    }
    const bool shared = access == Access::kReadWrite;
    EXPECT_EQ(mapping->Sync(0, 4 * kPage).ok(), shared);
  }
  EXPECT_EQ(ByteInFile(file, kPage), 99);
}

// Sees the calls that the crash laboratory needs to see, with what they carry.
class Recorder : public SystemCallObserver {
 public:
  std::vector<SystemCallKind> kinds;
  std::vector<uint8_t> flushed;
  uint64_t length = 0;  // of the last call

  int BeforeCall(const SystemCall& call) override {
    kinds.push_back(call.kind);
    length = call.length;
    if (call.kind == SystemCallKind::kSyncMapping) {
      flushed.assign(call.data.begin(), call.data.end());
    }
    return 0;
  }
  void AfterCall(const SystemCall& /*call*/, int result_errno) override {
    EXPECT_EQ(result_errno, 0);
  }

 private:
  ScopedSystemCallObserver observing_{this};
};

// A range that went over the end once took the neighbours' pages, a stack among them.
TEST_F(MappingTest, DroppedTranslationsEndWithTheMapping) {
  const File file = MakeFile(2);
  const std::unique_ptr<Mapping> mapping =
      Mapping::Map(file, 2 * kPage, Access::kReadWrite, /*separate_read_view=*/false).value();
  Recorder recorder;
  mapping->DropTranslations(2 * kPage, kPage);
  EXPECT_THAT(recorder.kinds, IsEmpty());
  mapping->DropTranslations(kPage, 2 * kPage);
  EXPECT_THAT(recorder.kinds, ElementsAre(SystemCallKind::kAdvise));
  EXPECT_EQ(recorder.length, kPage);
}

TEST_F(MappingTest, AnObserverSeesFlushesWithTheirBytes) {
  const File file = MakeFile(2);
  Recorder recorder;
  const std::unique_ptr<Mapping> mapping = MapOrDie(file);
  mapping->write_base()[kPage] = 99;
  EXPECT_THAT(mapping->Sync(kPage, kPage), IsOk());
  // INV-8: nothing comes between the map and its advice.
  EXPECT_THAT(recorder.kinds,
              ElementsAre(SystemCallKind::kMap, SystemCallKind::kAdvise, SystemCallKind::kAdvise,
                          SystemCallKind::kAdvise, SystemCallKind::kSyncMapping));
  ASSERT_EQ(recorder.flushed.size(), kPage);
  EXPECT_EQ(recorder.flushed[0], 99);
}

TEST_F(MappingTest, AForkChildMayDestroyButUnmapsNothing) {
  const File file = MakeFile(1);
  std::unique_ptr<Mapping> mapping = MapOrDie(file);
  EXPECT_EQ(mapping->read_base()[0], 1);
  const pid_t child = fork();
  if (child == 0) {
    // Whatever the child has at that address by now is its own.
    auto* const address = const_cast<uint8_t*>(mapping->read_base());
    if (mmap(address, kPage, PROT_READ, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
        address) {
      _exit(1);
    }
    mapping.reset();
    unsigned char resident;
    _exit(mincore(address, kPage, &resident) == 0 ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(mapping->read_base()[0], 1);
}

TEST_F(MappingTest, FallbackTakesWhatIsWantedWhereItCan) {
  const File file = MakeFile(1);
  const auto mapping = MapWithFallback(file, kReserve, kPage, Access::kReadWrite, true).value();
  EXPECT_EQ(mapping->capacity_bytes(), kReserve);
}

TEST_F(MappingTest, FallbackStepsDownToTheMinimum) {
  const File file = MakeFile(1);
  constexpr size_t kMiB = size_t{1} << 20;
  const struct {
    int refusals;
    size_t minimum_bytes;
    size_t capacity_bytes;
  } cases[] = {{1, kMiB, 64 * kMiB}, {1, 100 * kMiB, 200 * kMiB}, {2, 100 * kMiB, 100 * kMiB}};
  for (const auto& test : cases) {
    const FailingCalls calls(SystemCallKind::kMap, ENOMEM, 0, test.refusals);
    const auto mapping =
        MapWithFallback(file, kReserve, test.minimum_bytes, Access::kReadWrite, false).value();
    EXPECT_EQ(mapping->capacity_bytes(), test.capacity_bytes);
  }
  const FailingCalls calls(SystemCallKind::kMap, ENOMEM);
  EXPECT_THAT(MapWithFallback(file, kReserve, kMiB, Access::kReadWrite, false),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("RLIMIT_AS"), HasSubstr(file.path()))));
  EXPECT_EQ(calls.calls(), 3);
}

TEST_F(MappingTest, OtherRefusalsAreNotTriedAgain) {
  const File file = MakeFile(1);
  const FailingCalls calls(SystemCallKind::kMap, EACCES);
  EXPECT_THAT(MapWithFallback(file, kReserve, kPage, Access::kReadWrite, false),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(calls.calls(), 1);
}

// The same by the kernel's own refusal.
TEST_F(MappingTest, FallbackFitsIntoALimitedAddressSpace) {
  const auto map_in_little_space = [this] {
    const File file = MakeFile(1);
    constexpr size_t kMiB = size_t{1} << 20;
    size_t pages_now = 0;
    std::ifstream("/proc/self/statm") >> pages_now;
    const size_t bytes = pages_now * kPage + 500 * kMiB;
    const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(1);
    const auto modest = MapWithFallback(file, kReserve, kPage, Access::kReadWrite, true);
    if (!modest.ok() || (*modest)->capacity_bytes() != 64 * kMiB) _exit(2);
    const auto exact = MapWithFallback(file, kReserve, 300 * kMiB, Access::kReadOnly, false);
    if (!exact.ok() || (*exact)->capacity_bytes() != 300 * kMiB) _exit(3);
    const auto none = MapWithFallback(file, kReserve, 600 * kMiB, Access::kReadOnly, false);
    _exit(absl::IsResourceExhausted(none.status()) ? 0 : 4);
  };
  EXPECT_EXIT(map_in_little_space(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace espalier::os
