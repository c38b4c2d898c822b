#include "bench/report/format.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace espalier::bench {

std::string FormatCount(uint64_t count) {
  std::string digits = absl::StrCat(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string FormatFigure(double figure) {
  const char* suffix = "";
  if (figure >= 999'500) {
    figure /= 1e6;
    suffix = " M";
  } else if (figure >= 1'000) {
    figure /= 1e3;
    suffix = " k";
  }
  int decimals = figure >= 99.95 ? 0 : figure >= 9.995 ? 1 : 2;
  return absl::StrFormat("%.*f%s", decimals, figure, suffix);
}

std::string FormatPower(int decade) {
  static constexpr const char* kSuffixes[] = {"", " k", " M", " G"};
  if (decade < 0 || decade > 11) return absl::StrFormat("1e%d", decade);
  return absl::StrCat(std::string("1") + std::string(static_cast<size_t>(decade % 3), '0'),
                      kSuffixes[decade / 3]);
}

std::string FormatSample(const RowResult& row, const std::string& engine, double figure) {
  return absl::StrFormat("%-14s %-14s %8s %s", row.name, engine, FormatFigure(figure), row.unit);
}

}  // namespace espalier::bench
