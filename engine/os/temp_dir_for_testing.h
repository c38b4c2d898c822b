// A directory for one test, removed with everything in it at the end of the scope.
//
//   TempDir dir;
//   File::CreateExclusive(dir.File("my.db"));

#ifndef ESPALIER_ENGINE_OS_TEMP_DIR_FOR_TESTING_H_
#define ESPALIER_ENGINE_OS_TEMP_DIR_FOR_TESTING_H_

#include <string>
#include <string_view>

namespace espalier::os {

class TempDir {
 public:
  // Makes a fresh directory in `parent`, by default $TEST_TMPDIR, or /tmp; ends the program if that
  // is impossible.
  explicit TempDir(const std::string& parent = DefaultParent());
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` in this directory.
  std::string File(std::string_view name) const;

 private:
  static std::string DefaultParent();

  std::string path_;
};

}  // namespace espalier::os

#endif  // ESPALIER_ENGINE_OS_TEMP_DIR_FOR_TESTING_H_
