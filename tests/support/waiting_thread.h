// A thread that has come to where it waits for something, without a sleep that hopes so.
//
//   std::thread waits = StartUntilItWaits([&] { EXPECT_THAT(db.Put(keyspace, "key", "1"), IsOk());
//   });
#ifndef ESPALIER_TESTS_SUPPORT_WAITING_THREAD_H_
#define ESPALIER_TESTS_SUPPORT_WAITING_THREAD_H_

#include <functional>
#include <thread>

namespace espalier::testing {

// Returns once the thread does nothing but wait, other than for a device, or has ended.
std::thread StartUntilItWaits(std::function<void()> function);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_SUPPORT_WAITING_THREAD_H_
