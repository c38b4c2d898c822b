#include "engine/os/temp_dir_for_testing.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace espalier::os {

std::string TempDir::DefaultParent() {
  const char* const chosen = getenv("TEST_TMPDIR");
  return chosen != nullptr ? chosen : "/tmp";
}

TempDir::TempDir(const std::string& parent) : path_(parent + "/espalier-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) {
    perror(path_.c_str());
    abort();
  }
}

TempDir::~TempDir() {
  // What cannot be removed (a mount point that a test left behind) stays; the test itself will
  // tell.
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::File(std::string_view name) const { return path_ + "/" + std::string(name); }

}  // namespace espalier::os
