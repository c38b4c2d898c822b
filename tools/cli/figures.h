// Numbers as people read them.
#ifndef ESPALIER_TOOLS_CLI_FIGURES_H_
#define ESPALIER_TOOLS_CLI_FIGURES_H_

#include <chrono>
#include <cstdint>
#include <string>

namespace espalier::tools {

using Seconds = std::chrono::duration<double>;

std::string FormatCount(uint64_t count);       // 1,234,567
std::string FormatBytes(uint64_t bytes);       // 512 B, 3.4 KiB, 120 MiB
std::string FormatRate(double per_second);     // 312/s, 4.50 k/s, 1.23 M/s
std::string FormatDuration(Seconds duration);  // 850 us, 12.3 ms, 4.21 s, 3:07 min, 1:02:33 h

// `count` and the noun, with an s unless there is exactly one: "1 page", "2 pages".
std::string FormatPlural(uint64_t count, const std::string& noun);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_FIGURES_H_
