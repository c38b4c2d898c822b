#include "engine/txn/writer_gate.h"

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace espalier::txn {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(WriterGateTest, OneAtATime) {
  WriterGate gate;
  EXPECT_FALSE(gate.occupied());
  ASSERT_TRUE(gate.Enter());
  EXPECT_TRUE(gate.occupied());
  EXPECT_FALSE(gate.Enter(steady_clock::now() + milliseconds(5)));
  EXPECT_FALSE(gate.Enter(steady_clock::now()));
  EXPECT_FALSE(gate.Enter(steady_clock::time_point::min()));
  gate.Leave();
  EXPECT_FALSE(gate.occupied());
  // A deadline that has passed is no obstacle where nobody is in the way.
  EXPECT_TRUE(gate.Enter(steady_clock::time_point::min()));
  gate.Leave();
}

TEST(WriterGateTest, AnotherThreadMayLeave) {
  WriterGate gate;
  ASSERT_TRUE(gate.Enter());
  std::thread([&] { gate.Leave(); }).join();
  EXPECT_TRUE(gate.Enter(steady_clock::now()));
  gate.Leave();
}

TEST(WriterGateTest, LeaveUnless) {
  WriterGate gate;
  std::atomic<bool> flag{true};
  ASSERT_TRUE(gate.Enter());
  EXPECT_FALSE(gate.LeaveUnless(flag));
  EXPECT_TRUE(gate.occupied());
  flag = false;
  EXPECT_TRUE(gate.LeaveUnless(flag));
  EXPECT_FALSE(gate.occupied());
}

TEST(WriterGateTest, InTheOrderOfTheirComing) {
  WriterGate gate;
  ASSERT_TRUE(gate.Enter());
  std::vector<int> order;  // guarded by the gate
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_TRUE(gate.Enter());
      order.push_back(i);
      gate.Leave();
    });
    // Until it waits: there is no way to ask, and no harm in being wrong but a weaker test.
    std::this_thread::sleep_for(milliseconds(20));
  }
  gate.Leave();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

// Some give up while others wait: nobody is forgotten, and nobody is inside together with another
// one.
TEST(WriterGateTest, ManyThreads) {
  constexpr int kThreads = 6;
  constexpr int kRounds = 300;
  WriterGate gate;
  int inside = 0;  // guarded by the gate
  int entered = 0;
  std::atomic<int> gave_up{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < kRounds; ++round) {
        WriterGate::Deadline deadline;
        if ((i + round) % 3 == 0) deadline = steady_clock::now() + std::chrono::microseconds(round);
        if (!gate.Enter(deadline)) {
          gave_up.fetch_add(1);
          continue;
        }
        EXPECT_EQ(++inside, 1);
        ++entered;
        if (round % 8 == 0) std::this_thread::yield();
        --inside;
        gate.Leave();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(entered + gave_up.load(), kThreads * kRounds);
  EXPECT_FALSE(gate.occupied());
}

TEST(WriterGateTest, GivesUp) {
  std::atomic<bool> waits{false};
  std::atomic<bool> give_up{false};
  WriterGate gate([&] { waits = true; });
  // No obstacle where nobody is in the way.
  give_up = true;
  ASSERT_TRUE(gate.Enter(std::nullopt, &give_up));
  EXPECT_FALSE(gate.Enter(std::nullopt, &give_up));
  give_up = false;
  waits = false;
  std::thread other([&] { EXPECT_FALSE(gate.Enter(std::nullopt, &give_up)); });
  while (!waits) std::this_thread::yield();
  gate.Wake();
  give_up = true;
  gate.Wake();
  other.join();
  EXPECT_FALSE(gate.awaited());
  gate.Leave();
  EXPECT_TRUE(gate.Enter());
}

// Whoever has the gate for no better reason than to wait can make room.
TEST(WriterGateTest, TellsThatSomebodyWaits) {
  std::atomic<int> waits{0};
  WriterGate gate([&] { ++waits; });
  ASSERT_TRUE(gate.Enter());
  EXPECT_EQ(waits, 0);
  EXPECT_FALSE(gate.awaited());
  std::thread other([&] {
    EXPECT_TRUE(gate.Enter());
    gate.Leave();
  });
  while (waits == 0) std::this_thread::yield();
  EXPECT_TRUE(gate.awaited());
  EXPECT_FALSE(gate.Enter(steady_clock::time_point::min()));
  EXPECT_TRUE(gate.awaited());
  gate.Leave();
  other.join();
  EXPECT_FALSE(gate.awaited());
}

}  // namespace
}  // namespace espalier::txn
