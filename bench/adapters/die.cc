#include "bench/adapters/die.h"

#include <unistd.h>

#include <cstdio>
#include <string>

namespace espalier::bench {

void Die(std::string_view who, std::string_view doing, std::string_view why) {
  std::string line = std::string(who) + ": " + std::string(doing) + ": " + std::string(why) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
  _exit(kDeathExitCode);  // engine destructors could hang or make it worse
}

}  // namespace espalier::bench
