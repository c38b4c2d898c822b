// The results as Markdown.
#ifndef ESPALIER_BENCH_REPORT_MARKDOWN_H_
#define ESPALIER_BENCH_REPORT_MARKDOWN_H_

#include <string>

#include "bench/report/results.h"

namespace espalier::bench {

// What the README holds: on what it was measured, the table (a row a line, an engine a column, then
// the bar, the ratio to the best rival and whether it is enough), and how to read it.
std::string MarkdownSummary(const Results& results);

// The same, with machine, run and the settings of every engine in full.
std::string MarkdownReport(const Results& results);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_REPORT_MARKDOWN_H_
