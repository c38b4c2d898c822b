// Figures as people read them.
#ifndef ESPALIER_BENCH_REPORT_FORMAT_H_
#define ESPALIER_BENCH_REPORT_FORMAT_H_

#include <cstdint>
#include <string>

#include "bench/report/results.h"

namespace espalier::bench {

std::string FormatCount(uint64_t count);  // 5,000,000

// Three significant digits: 1.23 M, 45.6 k, 789, 1.07.
std::string FormatFigure(double figure);

std::string FormatPower(int decade);  // 10 to the power: 1 k, 10 M

// One line for one sample: row, engine, figure, unit.
std::string FormatSample(const RowResult& row, const std::string& engine, double figure);

}  // namespace espalier::bench

#endif  // ESPALIER_BENCH_REPORT_FORMAT_H_
