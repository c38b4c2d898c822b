#include "bench/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/report/format.h"

namespace espalier::bench {
namespace {

// Everything in pixels.
constexpr double kWidth = 1000;
constexpr double kPlotLeft = 300;
constexpr double kPlotRight = 930;
constexpr double kTop = 76;
constexpr double kBarHeight = 9;
constexpr double kBarGap = 1;
constexpr double kGroupGap = 14;
constexpr double kBottom = 40;

constexpr const char* kOwnColour = "#1b7837";
constexpr std::array kRivalColours = {"#2166ac", "#d6604d", "#f4a582", "#8073ac",
                                      "#878787", "#dfc27d", "#92c5de", "#444444"};

struct Series {
  std::string engine;
  std::string colour;
};

// Espalier first, then the rivals in the order of the results.
std::vector<Series> MakeSeries(const Results& results) {
  std::vector<Series> series;
  size_t next_colour = 0;
  for (const EngineInfo& engine : results.engines) {
    if (engine.name == kOwnEngine) {
      series.insert(series.begin(), {engine.name, kOwnColour});
    } else {
      series.push_back({engine.name, kRivalColours[next_colour++ % kRivalColours.size()]});
    }
  }
  return series;
}

// A logarithmic scale over whole decades.
class Scale {
 public:
  Scale(double minimum, double maximum)
      : first_decade_(static_cast<int>(std::floor(std::log10(minimum)))),
        last_decade_(
            std::max(first_decade_ + 1, static_cast<int>(std::ceil(std::log10(maximum))))) {}

  double X(double value) const {
    double share = (std::log10(value) - first_decade_) / (last_decade_ - first_decade_);
    return kPlotLeft + std::max(0.0, share) * (kPlotRight - kPlotLeft);
  }

  int first_decade() const { return first_decade_; }
  int last_decade() const { return last_decade_; }

 private:
  int first_decade_;
  int last_decade_;
};

std::string Escape(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string Text(double x, double y, const std::string& attributes, const std::string& text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, attributes,
                         Escape(text));
}

std::string Rectangle(double x, double y, double width, double height, const std::string& colour) {
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, width,
      height, colour);
}

std::string Legend(const std::vector<Series>& series) {
  std::string svg;
  double x = kPlotLeft;
  for (const Series& entry : series) {
    svg += Rectangle(x, 36, 10, 10, entry.colour);
    svg += Text(x + 14, 45, "", entry.engine);
    x += 26 + 6.6 * static_cast<double>(entry.engine.size());
  }
  return svg;
}

std::string Grid(const Scale& scale, double height) {
  std::string svg;
  for (int decade = scale.first_decade(); decade <= scale.last_decade(); ++decade) {
    double value = std::pow(10, decade);
    for (int step : {1, 2, 5}) {
      double x = scale.X(value * step);
      if (x > kPlotRight + 0.5) break;
      absl::StrAppendFormat(
          &svg, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x,
          kTop - 6, x, height - kBottom, step == 1 ? "#bbb" : "#eee");
      if (step == 1) {
        svg += Text(x, kTop - 10, R"(text-anchor="middle" class="axis")", FormatPower(decade));
        svg += Text(x, height - kBottom + 14, R"(text-anchor="middle" class="axis")",
                    FormatPower(decade));
      }
    }
  }
  return svg;
}

std::string Group(const RowResult& row, const std::vector<Series>& series, const Scale& scale,
                  double top) {
  double middle = top + static_cast<double>(series.size()) * (kBarHeight + kBarGap) / 2;
  std::string svg = Text(kPlotLeft - 8, middle, R"(text-anchor="end" class="row")", row.title);
  std::string note = row.unit;
  if (auto ratio = row.RatioTo(std::string(kBestRival))) {
    absl::StrAppendFormat(&note, ", %.2f× the best rival", *ratio);
  }
  svg += Text(kPlotLeft - 8, middle + 12, R"(text-anchor="end" class="axis")", note);
  double y = top;
  for (const Series& entry : series) {
    if (std::optional<double> median = row.Median(entry.engine); median && *median > 0) {
      double end = scale.X(*median);
      svg += Rectangle(kPlotLeft, y, std::max(1.0, end - kPlotLeft), kBarHeight, entry.colour);
      svg += Text(end + 3, y + kBarHeight - 1, R"(class="figure")", FormatFigure(*median));
    }
    y += kBarHeight + kBarGap;
  }
  return svg;
}

}  // namespace

std::string SvgChart(const Results& results) {
  std::vector<Series> series = MakeSeries(results);
  std::vector<const RowResult*> rows;
  double minimum = 1e300;
  double maximum = 0;
  for (const RowResult& row : results.rows) {
    if (!HigherIsBetter(row)) continue;
    rows.push_back(&row);
    for (const Series& entry : series) {
      double median = row.Median(entry.engine).value_or(0);
      if (median <= 0) continue;
      minimum = std::min(minimum, median);
      maximum = std::max(maximum, median);
    }
  }
  if (maximum == 0) minimum = maximum = 1;
  Scale scale(minimum, maximum);
  double group_height = static_cast<double>(series.size()) * (kBarHeight + kBarGap) + kGroupGap;
  double height = kTop + static_cast<double>(rows.size()) * group_height + kBottom;

  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f "
      "%.0f\">\n"
      "<style>text{font:12px "
      "sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}.row{font-weight:bold}"
      ".axis{font-size:10px;fill:#666}.figure{font-size:9px;fill:#444}</style>\n",
      kWidth, height, kWidth, height);
  svg += Rectangle(0, 0, kWidth, height, "white");
  svg +=
      Text(16, 24, R"(class="title")", "Operations a second, logarithmic: further right is better");
  svg += Legend(series);
  svg += Grid(scale, height);
  double top = kTop;
  for (const RowResult* row : rows) {
    svg += Group(*row, series, scale, top);
    top += group_height;
  }
  return svg + "</svg>\n";
}

}  // namespace espalier::bench
