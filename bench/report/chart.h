// The results as an SVG chart: the rates of each row as bars on a logarithmic axis.
#ifndef ESPALIER_BENCH_REPORT_CHART_H_
#define ESPALIER_BENCH_REPORT_CHART_H_

#include <string>

#include "bench/report/results.h"

namespace espalier::bench {

// Rows that are no rates (sizes, growth, write amplification) are left to the table.
std::string SvgChart(const Results& results);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_REPORT_CHART_H_
