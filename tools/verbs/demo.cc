// demo: the main job on real input, with every answer checked. tools/dev demo calls it.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <system_error>

#include "tools/demo/demo.h"
#include "tools/verbs/verbs.h"

namespace espalier::tools {
namespace {

struct DemoArguments {
  std::string directory;
  std::string package_lists = "/var/lib/dpkg/info";
  std::optional<uint64_t> seed;
  bool keep = false;
};

// A new directory within another, removed with everything in it unless it is kept.
class ScratchDirectory {
 public:
  static absl::StatusOr<ScratchDirectory> Create(const std::string& parent, bool keep) {
    std::string path = parent + "/espalier-demo-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
      return absl::UnavailableError(parent +
                                    ": cannot create a directory: " + std::strerror(errno));
    }
    return ScratchDirectory(std::move(path), keep);
  }
  ScratchDirectory(ScratchDirectory&& other) noexcept
      : path_(std::exchange(other.path_, "")), keep_(other.keep_) {}
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path_.empty() && !keep_) std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  ScratchDirectory(std::string path, bool keep) : path_(std::move(path)), keep_(keep) {}

  std::string path_;
  bool keep_;
};

std::string DefaultDirectory() {
  const char* directory = std::getenv("TMPDIR");
  return directory != nullptr && *directory != '\0' ? directory : "/tmp";
}

absl::StatusOr<ExitCode> Demo(Invocation& invocation, const DemoArguments& arguments) {
  const std::string parent = arguments.directory.empty() ? DefaultDirectory() : arguments.directory;
  const absl::StatusOr<ScratchDirectory> scratch = ScratchDirectory::Create(parent, arguments.keep);
  if (!scratch.ok()) return scratch.status();
  const std::string database = scratch->path() + "/demo.esp";
  const absl::StatusOr<bool> passed =
      RunDemo({.database_path = database,
               .package_lists = arguments.package_lists,
               .seed = arguments.seed.value_or(std::random_device()())},
              invocation.output);
  if (arguments.keep) invocation.output.Write("The database is " + database + "\n");
  if (!passed.ok()) return passed.status();
  return *passed ? ExitCode::kFine : ExitCode::kNotFound;
}

}  // namespace

Verb AddDemo(CLI::App& app, Invocation& invocation) {
  auto arguments = std::make_shared<DemoArguments>();
  CLI::App* verb =
      app.add_subcommand("demo", "Show the database at work on the files of the installed packages")
          ->group("Verbs");
  verb->add_option("--directory", arguments->directory,
                   "Where the temporary database goes; else $TMPDIR or /tmp")
      ->type_name("DIR");
  verb->add_option("--package-lists", arguments->package_lists,
                   "Where the NAME.list files of the packages are; else /var/lib/dpkg/info")
      ->type_name("DIR");
  verb->add_option("--seed", arguments->seed,
                   "Decides when the writer is killed; else another one each time")
      ->type_name("NUMBER");
  verb->add_flag("--keep", arguments->keep, "Leave the database there");
  return {verb, [&invocation, arguments] { return Demo(invocation, *arguments); }};
}

}  // namespace espalier::tools
