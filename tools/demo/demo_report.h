// What the demo prints: sections with aligned figures, checks, and a verdict.
#ifndef ESPALIER_TOOLS_DEMO_DEMO_REPORT_H_
#define ESPALIER_TOOLS_DEMO_DEMO_REPORT_H_

#include <cstdint>
#include <string>

#include "tools/cli/figures.h"
#include "tools/text/output.h"

namespace espalier::tools {

// Every line is out before the next step begins, so that the reader can follow.
class DemoReport {
 public:
  explicit DemoReport(Output& output) : output_(output) {}

  void Title(const std::string& text);
  void Section(const std::string& text);  // numbered
  void Figure(const std::string& name, const std::string& figure, const std::string& note = "");
  // `count` operations took `duration`: the number, and the rate as a note.
  void Rate(const std::string& name, uint64_t count, Seconds duration);
  void Check(const std::string& what, bool passed);

  // The last line: whether every check passed.
  bool Verdict();

 private:
  void Line(const std::string& text);

  Output& output_;
  int sections_ = 0;
  uint64_t checks_ = 0;
  uint64_t failed_ = 0;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_DEMO_DEMO_REPORT_H_
