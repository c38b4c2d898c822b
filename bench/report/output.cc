#include "bench/report/output.h"

#include <cstdio>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "bench/report/chart.h"
#include "bench/report/markdown.h"

namespace espalier::bench {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  if (!stream) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return text.str();
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream stream(path);
  stream << text;
  stream.close();
  return stream ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

absl::Status UpdateReadme(const std::string& path, const std::string& marks,
                          const std::string& results) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  absl::StatusOr<std::string> updated = ReplaceBetweenMarks(*text, marks, results);
  if (!updated.ok())
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", updated.status().message()));
  return WriteFile(path, *updated);
}

}  // namespace

absl::StatusOr<std::string> ReplaceBetweenMarks(const std::string& text, const std::string& marks,
                                                const std::string& results) {
  const std::string begin_mark = absl::StrCat("<!-- ", marks, ":begin -->\n");
  size_t begin = text.find(begin_mark);
  size_t end = text.find(absl::StrCat("<!-- ", marks, ":end -->\n"));
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return absl::InvalidArgumentError(
        absl::StrCat("no marks '", marks, "' for the results of the benchmark"));
  }
  begin += begin_mark.size();
  return absl::StrCat(text.substr(0, begin), results, text.substr(end));
}

absl::StatusOr<Results> ReadResults(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return FromJson(*text);
}

absl::Status WriteOutput(const Results& results, const OutputPaths& paths) {
  absl::Status status;
  if (paths.markdown.empty() && paths.readme.empty())
    std::fputs(MarkdownReport(results).c_str(), stdout);
  if (!paths.json.empty()) status.Update(WriteFile(paths.json, ToJson(results)));
  if (!paths.svg.empty()) status.Update(WriteFile(paths.svg, SvgChart(results)));
  if (!paths.markdown.empty()) status.Update(WriteFile(paths.markdown, MarkdownReport(results)));
  if (!paths.readme.empty())
    status.Update(UpdateReadme(paths.readme, paths.marks, MarkdownSummary(results)));
  return status;
}

}  // namespace espalier::bench
