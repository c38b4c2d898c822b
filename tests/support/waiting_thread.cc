#include "tests/support/waiting_thread.h"

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

namespace espalier::testing {

std::thread StartUntilItWaits(std::function<void()> function) {
  const auto id = std::make_shared<std::atomic<pid_t>>(0);
  std::thread thread([id, function = std::move(function)] {
    id->store(gettid());
    function();
  });
  while (id->load() == 0) std::this_thread::yield();
  const std::string path = "/proc/self/task/" + std::to_string(id->load()) + "/stat";
  for (std::string state = "R"; state == "R" || state == "D"; std::this_thread::yield()) {
    std::ifstream stat(path);
    std::string ignored;
    state.clear();
    stat >> ignored >> ignored >> state;
  }
  return thread;
}

}  // namespace espalier::testing
