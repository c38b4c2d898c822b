// The results as Markdown, as it stands in the README.
#ifndef ESPALIER_BENCH_REPORT_MARKDOWN_H_
#define ESPALIER_BENCH_REPORT_MARKDOWN_H_

#include <string>

#include "bench/report/results.h"

namespace espalier::bench {

// The table only: a row a line, an engine a column, then the bar, the ratio to the best rival and
// the mark.
std::string MarkdownTable(const Results& results);

// Machine, run and the settings of every engine, then the table.
std::string MarkdownReport(const Results& results);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_REPORT_MARKDOWN_H_
