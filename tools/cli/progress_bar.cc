#include "tools/cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_format.h"
#include "tools/cli/figures.h"

namespace espalier::tools {
namespace {

constexpr auto kQuietStart = std::chrono::milliseconds(500);
constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr char kEraseLine[] = "\r\x1b[K";
constexpr int kWidestBar = 40;
constexpr int kNarrowestBar = 5;

bool StandardErrorIsATerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
}

int TerminalColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

void WriteToStandardError(std::string_view text) {
  // A terminal that takes no more is no reason to fail: the line is an ornament.
  [[maybe_unused]] const ssize_t count = write(STDERR_FILENO, text.data(), text.size());
}

// 4 s, 3:07 min, 1:02:33 h: more digits would only flicker.
std::string TimeLeft(Seconds left) {
  const double seconds = std::ceil(left.count());
  return seconds < 100 ? absl::StrFormat("%.0f s", seconds) : FormatDuration(Seconds(seconds));
}

}  // namespace

ProgressTerminal ProgressTerminal::StandardError() {
  ProgressTerminal terminal;
  if (StandardErrorIsATerminal()) terminal.write = WriteToStandardError;
  terminal.columns = TerminalColumns;
  terminal.now = std::chrono::steady_clock::now;
  return terminal;
}

ProgressBar::ProgressBar(std::string label, Unit unit, ProgressTerminal terminal)
    : label_(std::move(label)), unit_(unit), terminal_(std::move(terminal)) {
  if (!terminal_.write) return;
  start_ = terminal_.now();
  next_drawing_ = start_ + kQuietStart;
}

ProgressBar::~ProgressBar() { Erase(); }

void ProgressBar::Update(uint64_t done, uint64_t total) {
  if (!terminal_.write) return;
  const auto now = terminal_.now();
  if (now < next_drawing_) return;
  next_drawing_ = now + kInterval;
  drawn_ = true;
  terminal_.write(kEraseLine + Line(done, total, now - start_, terminal_.columns()));
}

void ProgressBar::Erase() {
  if (drawn_) terminal_.write(kEraseLine);
  drawn_ = false;
}

std::string ProgressBar::Line(uint64_t done, uint64_t total,
                              std::chrono::steady_clock::duration elapsed, int columns) const {
  const double seconds = std::max(Seconds(elapsed).count(), 1e-9);
  const double rate = static_cast<double>(done) / seconds;
  const std::string rate_text =
      unit_ == Unit::kBytes ? FormatBytes(static_cast<uint64_t>(rate)) + "/s" : FormatRate(rate);
  const std::string done_text = unit_ == Unit::kBytes ? FormatBytes(done) : FormatCount(done);
  const auto room = static_cast<size_t>(std::max(columns - 1, 0));  // the last column would wrap
  if (total == 0) return (label_ + "  " + done_text + "  " + rate_text).substr(0, room);

  const double share = std::min(static_cast<double>(done) / static_cast<double>(total), 1.0);
  std::string figures = absl::StrFormat("%3.0f %%  %s", share * 100, rate_text);
  if (done > 0) {
    figures += "  " + TimeLeft(Seconds(seconds * (1 - share) / share)) + " left";
  }
  const int free = columns - 1 - static_cast<int>(label_.size() + figures.size()) - 6;
  const int width = std::min(free, kWidestBar);
  if (width < kNarrowestBar) return (label_ + "  " + figures).substr(0, room);
  const auto filled = static_cast<size_t>(share * width);
  return label_ + "  [" + std::string(filled, '#') +
         std::string(static_cast<size_t>(width) - filled, '.') + "]  " + figures;
}

}  // namespace espalier::tools
