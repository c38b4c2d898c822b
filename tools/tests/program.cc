#include "tools/tests/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace espalier::tools {
namespace {

// In the child: never returns.
[[noreturn]] void Become(const std::vector<std::string>& command, const std::string& files) {
  const int input = open((files + ".in").c_str(), O_RDONLY);
  const int output = open((files + ".out").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int errors = open((files + ".err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
      dup2(errors, STDERR_FILENO) < 0) {
    std::_Exit(126);
  }
  for (const int fd : {input, output, errors}) close(fd);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  std::_Exit(127);
}

}  // namespace

ProgramResult RunProgram(const std::vector<std::string>& command, std::string_view input) {
  static int runs = 0;
  const std::string files =
      testing::TempDir() + "run-" + std::to_string(getpid()) + "-" + std::to_string(++runs);
  WriteFile(files + ".in", input);
  const pid_t child = fork();
  if (child == 0) Become(command, files);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  ProgramResult result{
      .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
      .output = ReadFile(files + ".out"),
      .errors = ReadFile(files + ".err")};
  for (const char* suffix : {".in", ".out", ".err"}) unlink((files + suffix).c_str());
  return result;
}

ProgramResult RunShell(const std::string& script) { return RunProgram({"bash", "-c", script}); }

std::string EspalierBinary() {
  // Bazel starts a test in the root of its files.
  return "tools/espalier";
}

ProgramResult RunEspalier(std::vector<std::string> arguments, std::string_view input) {
  arguments.insert(arguments.begin(), EspalierBinary());
  return RunProgram(arguments, input);
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void WriteFile(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  EXPECT_TRUE(file.good()) << path;
}

}  // namespace espalier::tools
