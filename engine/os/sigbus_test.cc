#include "engine/os/sigbus.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/status_for_testing.h"
#include "engine/os/file.h"
#include "engine/os/temp_dir_for_testing.h"
#include "gtest/gtest.h"

namespace espalier::os {
namespace {

const auto kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));

// A file of zero length mapped as if it had `pages`: every access is a fault.
class EmptyMap {
 public:
  explicit EmptyMap(size_t pages, int protection = PROT_READ | PROT_WRITE)
      : file_(File::CreateInMemory("empty").value()),
        length_(pages * kPage),
        base_(
            static_cast<uint8_t*>(mmap(nullptr, length_, protection, MAP_SHARED, file_.fd(), 0))) {}
  ~EmptyMap() { munmap(base_, length_); }
  EmptyMap(const EmptyMap&) = delete;
  EmptyMap& operator=(const EmptyMap&) = delete;

  File& file() { return file_; }
  size_t length() const { return length_; }
  volatile uint8_t* bytes() const { return base_; }
  GuardedView View(bool writable = true) const { return {.base = base_, .writable = writable}; }

 private:
  File file_;
  size_t length_;
  uint8_t* base_;
};

FaultGuard Guard(const EmptyMap& map) {
  const GuardedView view = map.View();
  return FaultGuard({&view, 1}, map.length());
}

TEST(SigbusTest, AGuardOfNothingNeverFaults) {
  const FaultGuard guard;
  EXPECT_FALSE(guard.faulted());
  EXPECT_EQ(guard.faulted_range().length, 0u);
}

TEST(SigbusTest, FaultsReadAsZerosAndAreRecorded) {
  const EmptyMap map(10);
  const FaultGuard guard = Guard(map);
  EXPECT_FALSE(guard.faulted());
  EXPECT_EQ(guard.faulted_range().length, 0u);
  EXPECT_EQ(map.bytes()[3 * kPage + 17], 0);
  EXPECT_TRUE(guard.faulted());
  EXPECT_EQ(guard.faulted_range().offset, 3 * kPage);
  EXPECT_EQ(guard.faulted_range().length, kPage);
  map.bytes()[5 * kPage] = 1;  // a store, too
  EXPECT_EQ(map.bytes()[5 * kPage], 1);
  EXPECT_EQ(guard.faulted_range().offset, 3 * kPage);
  EXPECT_EQ(guard.faulted_range().length, 3 * kPage);
  EXPECT_EQ(map.bytes()[0], 0);
  EXPECT_EQ(guard.faulted_range().offset, 0u);
  EXPECT_EQ(guard.faulted_range().length, 6 * kPage);
}

TEST(SigbusTest, OtherPagesStayTheFiles) {
  EmptyMap map(3);
  const FaultGuard guard = Guard(map);
  EXPECT_EQ(map.bytes()[kPage], 0);
  ASSERT_THAT(map.file().Truncate(3 * kPage), IsOk());
  ASSERT_THAT(map.file().WriteAt(0, std::vector<uint8_t>(3 * kPage, 7)), IsOk());
  EXPECT_EQ(map.bytes()[0], 7);
  EXPECT_EQ(map.bytes()[kPage], 0);
  EXPECT_EQ(map.bytes()[2 * kPage], 7);
}

TEST(SigbusTest, BothViewsAreGuardedEachWithItsProtection) {
  const EmptyMap writable(4);
  const EmptyMap readable(4, PROT_READ);
  const GuardedView views[] = {writable.View(true), readable.View(false)};
  const FaultGuard guard(views, writable.length());
  EXPECT_EQ(readable.bytes()[2 * kPage], 0);
  EXPECT_EQ(guard.faulted_range().offset, 2 * kPage);
  writable.bytes()[kPage] = 1;
  EXPECT_EQ(guard.faulted_range().offset, kPage);
  EXPECT_DEATH(readable.bytes()[2 * kPage] = 1, "");
}

TEST(SigbusTest, GuardsAreIndependentAndUsedAgain) {
  const EmptyMap one(2);
  const EmptyMap other(2);
  {
    const FaultGuard guard = Guard(one);
    const FaultGuard other_guard = Guard(other);
    EXPECT_EQ(one.bytes()[0], 0);
    EXPECT_TRUE(guard.faulted());
    EXPECT_FALSE(other_guard.faulted());
  }
  FaultGuard first = Guard(one);
  FaultGuard moved = std::move(first);
  EXPECT_FALSE(moved.faulted());
  EXPECT_EQ(one.bytes()[kPage], 0);
  EXPECT_TRUE(moved.faulted());
  moved = FaultGuard();
  EXPECT_FALSE(moved.faulted());
}

TEST(SigbusTest, KeepsErrno) {
  const EmptyMap map(1);
  const FaultGuard guard = Guard(map);
  errno = 77;
  EXPECT_EQ(map.bytes()[0], 0);
  EXPECT_EQ(errno, 77);
}

size_t CountMappingsOfProcess() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<size_t>(std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
}

// A service that goes on with random reads of a file cut short must not use up the mappings that a
// process may have (65530), two for each page of zeros.
TEST(SigbusTest, ScatteredFaultsAreBounded) {
  constexpr size_t kFaults = 40000;
  const EmptyMap map(2 * kFaults);
  const FaultGuard guard = Guard(map);
  const size_t before = CountMappingsOfProcess();
  size_t most = 0;
  for (size_t fault = 0; fault < kFaults; ++fault) {
    if (fault % 9990 == 0) most = std::max(most, CountMappingsOfProcess());
    ASSERT_EQ(map.bytes()[2 * fault * kPage], 0);
  }
  EXPECT_GT(most, before + 10000);
  EXPECT_LT(most, before + 25000);
  EXPECT_LT(CountMappingsOfProcess(), before + 100);
  EXPECT_EQ(guard.faulted_range().length, map.length());
}

TEST(SigbusTest, FaultsInARowKeepTheRestOfTheFile) {
  constexpr size_t kPages = 15000;
  EmptyMap map(kPages);
  ASSERT_THAT(map.file().Truncate(kPage), IsOk());
  ASSERT_THAT(map.file().WriteAt(0, std::vector<uint8_t>{7}), IsOk());
  const FaultGuard guard = Guard(map);
  for (size_t page = 1; page < kPages; ++page) ASSERT_EQ(map.bytes()[page * kPage], 0);
  EXPECT_EQ(guard.faulted_range().length, (kPages - 1) * kPage);
  EXPECT_EQ(map.bytes()[0], 7);
}

TEST(SigbusTest, ThreadsFaultWhileGuardsComeAndGo) {
  constexpr size_t kPages = 2000;
  const EmptyMap map(kPages);
  const FaultGuard guard = Guard(map);
  std::atomic<bool> stop{false};
  std::thread registrar([&stop] {
    while (!stop) {
      const EmptyMap other(1);
      const FaultGuard other_guard = Guard(other);
      EXPECT_EQ(other.bytes()[0], 0);
      EXPECT_TRUE(other_guard.faulted());
    }
  });
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&map] {
      for (size_t page = 0; page < kPages; ++page) EXPECT_EQ(map.bytes()[page * kPage], 0);
    });
  }
  for (std::thread& reader : readers) reader.join();
  stop = true;
  registrar.join();
  EXPECT_EQ(guard.faulted_range().length, map.length());
}

// What becomes of a SIGBUS that is not ours. The handler is installed once per process, after the
// one under test: each of these runs in a process of its own, started afresh.
class SigbusChainTest : public ::testing::Test {
 protected:
  SigbusChainTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

void SetAction(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigaction(SIGBUS, &action, nullptr);
}

void FaultOutsideAnyGuard() {
  const EmptyMap guarded(1);
  const FaultGuard guard = Guard(guarded);
  const EmptyMap map(1);
  static_cast<void>(map.bytes()[0]);
}

void RaiseWithGuard() {
  const EmptyMap guarded(1);
  const FaultGuard guard = Guard(guarded);
  raise(SIGBUS);
}

TEST_F(SigbusChainTest, DefaultActionKills) {
  EXPECT_EXIT((SetAction(SIG_DFL), FaultOutsideAnyGuard()), ::testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT((SetAction(SIG_DFL), RaiseWithGuard(), _exit(0)), ::testing::KilledBySignal(SIGBUS),
              "");
}

TEST_F(SigbusChainTest, AFaultAfterTheGuardKills) {
  const auto fault_after_guard = [] {
    SetAction(SIG_DFL);
    const EmptyMap map(1);
    { const FaultGuard guard = Guard(map); }
    static_cast<void>(map.bytes()[0]);
  };
  EXPECT_EXIT(fault_after_guard(), ::testing::KilledBySignal(SIGBUS), "");
}

TEST_F(SigbusChainTest, IgnoredSignalsAreIgnoredButFaultsKill) {
  EXPECT_EXIT((SetAction(SIG_IGN), RaiseWithGuard(), _exit(0)), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT((SetAction(SIG_IGN), FaultOutsideAnyGuard()), ::testing::KilledBySignal(SIGBUS), "");
}

TEST_F(SigbusChainTest, PlainHandlersAreCalled) {
  const auto with_handler = [] {
    SetAction([](int signal) { _exit(signal == SIGBUS ? 3 : 4); });
    FaultOutsideAnyGuard();
  };
  EXPECT_EXIT(with_handler(), ::testing::ExitedWithCode(3), "");
}

sigjmp_buf jump_back;
const volatile uint8_t* expected_address = nullptr;

// As programs do that probe memory by themselves: the handler leaves by a jump, and later guards
// still work.
TEST_F(SigbusChainTest, HandlersGetTheFaultTheirMaskAndMayJump) {
  const auto with_handler = [] {
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    sigaddset(&action.sa_mask, SIGUSR1);
    action.sa_sigaction = [](int, siginfo_t* info, void*) {
      if (info->si_addr != expected_address) _exit(4);
      sigset_t mask;
      pthread_sigmask(SIG_BLOCK, nullptr, &mask);
      if (sigismember(&mask, SIGUSR1) != 1 || sigismember(&mask, SIGBUS) != 1) _exit(5);
      if (sigismember(&mask, SIGUSR2) != 0) _exit(6);
      siglongjmp(jump_back, 1);
    };
    sigaction(SIGBUS, &action, nullptr);
    const EmptyMap unguarded(1);
    for (int i = 0; i < 2; ++i) {
      const EmptyMap map(1);
      const FaultGuard guard = Guard(map);
      expected_address = unguarded.bytes();
      if (sigsetjmp(jump_back, 1) == 0) {
        static_cast<void>(unguarded.bytes()[0]);
        _exit(7);
      }
      if (map.bytes()[0] != 0 || !guard.faulted()) _exit(8);
    }
    _exit(0);
  };
  EXPECT_EXIT(with_handler(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace espalier::os
