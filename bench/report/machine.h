// The machine that the figures were taken on.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace espalier::bench {

// Processor, memory, kernel, system, the file system and device below `directory`, load when asked.
std::vector<std::pair<std::string, std::string>> DescribeMachine(const std::string& directory);

}  // namespace espalier::bench
