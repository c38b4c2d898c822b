#include "tools/demo/package_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace espalier::tools {
namespace {

class PackageFilesTest : public testing::Test {
 protected:
  PackageFilesTest() : directory_(testing::TempDir() + "package_files_test") {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
  }
  ~PackageFilesTest() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }

  const std::string directory_;
};

TEST_F(PackageFilesTest, ListsAreReadInNameOrder) {
  Write("zlib.list", "/.\n/lib/libz.so\n");
  Write("adduser.list", "/.\n");
  Write("empty.list", "");
  Write("adduser.md5sums", "not a list\n");
  const auto packages = ReadPackageLists(directory_);
  ASSERT_TRUE(packages.ok()) << packages.status();
  ASSERT_EQ(packages->size(), 3u);
  EXPECT_EQ(packages->at(0).name, "adduser");
  EXPECT_EQ(packages->at(1).name, "empty");
  EXPECT_TRUE(packages->at(1).paths.empty());
  EXPECT_EQ(packages->at(2).paths, (std::vector<std::string>{"/.", "/lib/libz.so"}));
}

TEST_F(PackageFilesTest, WithoutListsThereIsAClearError) {
  const absl::Status empty = ReadPackageLists(directory_).status();
  EXPECT_EQ(empty.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(empty.message().find("no package lists"), absl::string_view::npos);
  EXPECT_EQ(ReadPackageLists(directory_ + "/absent").status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(PackageFilesTest, SizesComeFromLstat) {
  Write("five", "12345");
  EXPECT_EQ(FileSizeText(directory_ + "/five"), "5");
  EXPECT_EQ(FileSizeText(directory_ + "/absent"), "missing");
}

TEST_F(PackageFilesTest, AddingOwnersOneByOneGivesTheWholeValue) {
  EXPECT_EQ(MakeValue({"a", "b", "c"}, "7"), "a, b, c\t7");
  const std::string one = WithOwner(std::nullopt, "a", "7");
  EXPECT_EQ(one, MakeValue({"a"}, "7"));
  EXPECT_EQ(WithOwner(WithOwner(one, "b", "7"), "c", "7"), MakeValue({"a", "b", "c"}, "7"));
}

TEST_F(PackageFilesTest, TheInventoryHasEveryOwner) {
  Write("five", "12345");
  const std::string five = directory_ + "/five";
  const Inventory inventory = TakeInventory({{"one", {five, "/no such"}}, {"two", {five}}},
                                            [](uint64_t, uint64_t) { return true; });
  EXPECT_EQ(inventory, (Inventory{{"/no such", "one\tmissing"}, {five, "one, two\t5"}}));
}

}  // namespace
}  // namespace espalier::tools
