// One line on the terminal that says how far a long operation is and when it will be done.
//
//   ProgressBar bar("check", ProgressBar::Unit::kItems, ProgressTerminal::StandardError());
//   ... bar.Update(done, total) ...
//
// Draws nothing unless standard error is a terminal, nothing in the first half second, and erases
// itself at the end.
#ifndef ESPALIER_TOOLS_CLI_PROGRESS_BAR_H_
#define ESPALIER_TOOLS_CLI_PROGRESS_BAR_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace espalier::tools {

// Where and when a bar is drawn; tests give their own.
struct ProgressTerminal {
  static ProgressTerminal StandardError();

  std::function<void(std::string_view)> write;  // empty: draw nothing
  std::function<int()> columns;
  std::function<std::chrono::steady_clock::time_point()> now;
};

// One thread at a time.
class ProgressBar {
 public:
  enum class Unit { kItems, kBytes };

  ProgressBar(std::string label, Unit unit, ProgressTerminal terminal);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  // Cheap enough for every item of a loop: draws ten times a second at most. A `total` of 0 is not
  // known: then there is a count and a rate, no bar and no time left.
  void Update(uint64_t done, uint64_t total);

  // Erases the line; also done by the destructor.
  void Erase();

 private:
  std::string Line(uint64_t done, uint64_t total, std::chrono::steady_clock::duration elapsed,
                   int columns) const;

  const std::string label_;
  const Unit unit_;
  const ProgressTerminal terminal_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point next_drawing_;
  bool drawn_ = false;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_PROGRESS_BAR_H_
