#include "tests/crash/crash_lab.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/crash/crash_choices.h"

namespace espalier::testing {
namespace {

constexpr uint64_t kGoesOnEvery = 16;

// Where Bazel keeps what a test leaves behind. The first of each test is enough.
std::string KeepForInspection(const DirectoryImage& image) {
  const char* const outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  if (outputs == nullptr) return "";
  const std::string directory = absl::StrCat(outputs, "/violation");
  if (!std::filesystem::create_directory(directory)) return "";
  WriteDirectory(image, directory);
  return absl::StrCat(" (the image is in ", directory, ")");
}

}  // namespace

std::string CrashLab::Crash(std::string_view where, const RecordedDisk& disk,
                            const CommitHistory& history, const CrashBudget& budget) {
  const CommitHistory::Window window = history.Possible();
  ++statistics_.points;
  std::string first_problem;
  CrashChoices(disk).ForEachImage(
      random_, budget.exhaustive, budget.sampled, [&](const DirectoryImage& image) {
        if (!first_problem.empty()) return;
        std::string problem = CheckImage(image, history, window);
        if (problem.empty()) return;
        ++statistics_.violations;
        first_problem =
            absl::StrCat("crash ", std::string(where), ": ", problem, KeepForInspection(image));
      });
  return first_problem;
}

std::string CrashLab::CheckImage(const DirectoryImage& image, const CommitHistory& history,
                                 const CommitHistory::Window& window) {
  const auto [at, fresh] = seen_.try_emplace(HashOf(image));
  ImageChecker::Outcome& outcome = at->second;
  if (fresh) {
    ++statistics_.images;
    outcome = checker_.Check(image, statistics_.images % kGoesOnEvery == 0);
    if (outcome.replayed) ++statistics_.replayed;
  }
  if (!outcome.problem.empty()) return outcome.problem;
  if (!window.Find(outcome.digest).has_value()) {
    return history.At(outcome.digest) != nullptr
               ? "acknowledged commits are lost"
               : "what is found is the state after no prefix of the commits";
  }
  if (fresh && outcome.replayed && keep_every_ != 0 && statistics_.replayed % keep_every_ == 0) {
    kept_.push_back({image, history.At(outcome.digest)});
  }
  return "";
}

}  // namespace espalier::testing
