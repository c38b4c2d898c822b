// Results from and to files.
#ifndef ESPALIER_BENCH_REPORT_OUTPUT_H_
#define ESPALIER_BENCH_REPORT_OUTPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "bench/report/results.h"

namespace espalier::bench {

// Where results go; an empty path is left out.
struct OutputPaths {
  std::string json;
  std::string svg;
  std::string markdown;
  std::string readme;  // a file with a pair of marks; what stands between them becomes the results
  std::string marks = "bench";  // their name, so that a file can hold the results of several runs
};

// Prints the report on standard output, unless some path asks for a rendering of its own, and
// writes the files. kUnavailable when a file cannot be written, kInvalidArgument when the readme
// has no marks.
absl::Status WriteOutput(const Results& results, const OutputPaths& paths);

// kNotFound, kInvalidArgument.
absl::StatusOr<Results> ReadResults(const std::string& path);

// `text` with what stands between the lines `<!-- MARKS:begin -->` and `<!-- MARKS:end -->`
// replaced; kInvalidArgument without them.
absl::StatusOr<std::string> ReplaceBetweenMarks(const std::string& text, const std::string& marks,
                                                const std::string& results);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_REPORT_OUTPUT_H_
