#include "bench/run/progress.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_format.h"

namespace espalier::bench {

Progress::Progress() : on_terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() { Clear(); }

void Progress::Say(const std::string& line) {
  Clear();
  absl::FPrintF(stderr, "%s %s\n", Elapsed(), line);
}

void Progress::Show(const std::string& what) {
  if (!on_terminal_) return;
  Clear();
  absl::FPrintF(stderr, "%s %s …", Elapsed(), what);
}

std::string Progress::Elapsed() const {
  auto seconds = static_cast<int>(stopwatch_.Seconds());
  return absl::StrFormat("[%2d:%02d]", seconds / 60, seconds % 60);
}

void Progress::Clear() const {
  if (on_terminal_) std::fputs("\r\x1b[K", stderr);
}

}  // namespace espalier::bench
