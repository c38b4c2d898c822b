#include "bench/report/machine.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace espalier::bench {
namespace {

// The rest of the first line that begins with `prefix`, after blanks, ':', '=' and quotes.
std::string FieldOf(const std::string& file, const std::string& prefix) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(prefix)) continue;
    size_t begin = line.find_first_not_of(" \t:=\"", prefix.size());
    size_t end = line.find_last_not_of("\" \t");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "unknown";
}

std::string Kernel() {
  struct utsname name;
  uname(&name);
  return absl::StrCat(name.sysname, " ", name.release, " ", name.machine);
}

std::string Memory() {
  struct sysinfo info;
  sysinfo(&info);
  double gib = static_cast<double>(info.totalram) * info.mem_unit / (1 << 30);
  return absl::StrFormat("%.1f GiB", gib);
}

std::string Load() {
  double load = 0;
  getloadavg(&load, 1);
  return absl::StrFormat("%.2f", load);
}

std::string Date() {
  std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
  return text;
}

}  // namespace

// By the mount with the longest path that is a prefix of the directory.
std::string FileSystem(const std::string& directory) {
  std::error_code ignored;
  std::string path = std::filesystem::canonical(directory, ignored).string();
  std::ifstream mounts("/proc/self/mounts");
  std::string best_target;
  std::string best = "unknown";
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device, target, type;
    fields >> device >> target >> type;
    bool below = path == target || target == "/" || path.starts_with(target + "/");
    if (below && target.size() >= best_target.size()) {
      best_target = target;
      best = absl::StrCat(type, " on ", device);
    }
  }
  return best;
}

std::vector<std::pair<std::string, std::string>> DescribeMachine(const std::string& directory) {
  return {
      {"processor", absl::StrCat(FieldOf("/proc/cpuinfo", "model name"), ", ",
                                 std::thread::hardware_concurrency(), " hardware threads")},
      {"memory", Memory()},
      {"kernel", Kernel()},
      {"system", FieldOf("/etc/os-release", "PRETTY_NAME")},
      {"file system", FileSystem(directory)},
      {"load before", Load()},
      {"date", Date()},
  };
}

}  // namespace espalier::bench
