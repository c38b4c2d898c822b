// Directories with properties: readable by everybody, on a file system that is nearly full or
// mounted read-only; and the way to be somebody else for a moment.

#ifndef ESPALIER_TESTS_HOSTILE_SCRATCH_DIR_H_
#define ESPALIER_TESTS_HOSTILE_SCRATCH_DIR_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/os/temp_dir_for_testing.h"

namespace espalier::testing {

// In /tmp, which everybody may enter, unlike the test's own directory.
class PublicDir : public os::TempDir {
 public:
  explicit PublicDir(unsigned mode = 0755);
};

enum class FileSystem { kTmpfs, kExt4 };

// A file system of `bytes` bytes, mounted for this test only.
class SmallFileSystem {
 public:
  // Null, with a reason on standard output, where the process may not mount or the tools are
  // missing.
  static std::unique_ptr<SmallFileSystem> Mount(FileSystem kind, size_t bytes);
  ~SmallFileSystem();

  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }
  // Makes it read-only. False if that is refused.
  bool MakeReadOnly();
  // The names in it, but for lost+found.
  std::string List() const;

 private:
  SmallFileSystem() = default;

  PublicDir dir_;
  std::string path_;
};

// InChild() as the user nobody, where the process is root.
std::string InChildAsNobody(const std::function<std::string()>& function);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_HOSTILE_SCRATCH_DIR_H_
