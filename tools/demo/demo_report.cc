#include "tools/demo/demo_report.h"

#include "absl/strings/str_format.h"

namespace espalier::tools {

void DemoReport::Line(const std::string& text) {
  output_.Write(text + "\n");
  // A failure stays in the output's status, which the caller looks at in the end.
  output_.Flush().IgnoreError();
}

void DemoReport::Title(const std::string& text) { Line(text); }

void DemoReport::Section(const std::string& text) {
  Line(absl::StrFormat("\n%d. %s", ++sections_, text));
}

void DemoReport::Figure(const std::string& name, const std::string& figure,
                        const std::string& note) {
  std::string line = absl::StrFormat("   %-36s %12s", name, figure);
  if (!note.empty()) line += "   " + note;
  Line(line);
}

void DemoReport::Rate(const std::string& name, uint64_t count, Seconds duration) {
  const double rate = static_cast<double>(count) / duration.count();
  Figure(name, FormatCount(count), FormatDuration(duration) + ", " + FormatRate(rate));
}

void DemoReport::Check(const std::string& what, bool passed) {
  ++checks_;
  if (!passed) ++failed_;
  Line((passed ? "   ok      " : "   FAILED  ") + what);
}

bool DemoReport::Verdict() {
  if (failed_ == 0) {
    Line("\nAll " + FormatPlural(checks_, "check") + " passed.");
  } else {
    Line("\n" + FormatCount(failed_) + " of " + FormatPlural(checks_, "check") + " FAILED.");
  }
  return failed_ == 0;
}

}  // namespace espalier::tools
