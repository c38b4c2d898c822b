// The machine that the figures were taken on.
#ifndef ESPALIER_BENCH_REPORT_MACHINE_H_
#define ESPALIER_BENCH_REPORT_MACHINE_H_

#include <string>
#include <utility>
#include <vector>

namespace espalier::bench {

// Processor, memory, kernel, system, the file system and device below `directory`, load when asked.
std::vector<std::pair<std::string, std::string>> DescribeMachine(const std::string& directory);

// Type and device of the file system that the directory lies in.
std::string FileSystem(const std::string& directory);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_REPORT_MACHINE_H_
