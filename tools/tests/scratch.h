// A test fixture with a directory of its own.
#ifndef ESPALIER_TOOLS_TESTS_SCRATCH_H_
#define ESPALIER_TOOLS_TESTS_SCRATCH_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace espalier::tools {

class ScratchTest : public testing::Test {
 protected:
  ScratchTest()
      : directory_(testing::TempDir() + "scratch-" + std::to_string(getpid()) + "-" +
                   testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  ~ScratchTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  bool Exists(const std::string& name) const { return std::filesystem::exists(Path(name)); }

 private:
  const std::string directory_;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TESTS_SCRATCH_H_
