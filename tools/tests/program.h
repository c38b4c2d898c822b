// Runs another program for a test, as a shell would: arguments in, output and exit code out.
#ifndef ESPALIER_TOOLS_TESTS_PROGRAM_H_
#define ESPALIER_TOOLS_TESTS_PROGRAM_H_

#include <string>
#include <string_view>
#include <vector>

namespace espalier::tools {

struct ProgramResult {
  int exit_code = -1;  // 128 + N when signal N ended it
  std::string output;
  std::string errors;
};

// The first of `command` is looked up in PATH. `input` is its standard input.
ProgramResult RunProgram(const std::vector<std::string>& command, std::string_view input = "");

// The same through a shell, for redirections: the words of `script` are the shell's.
ProgramResult RunShell(const std::string& script);

// The command line under test, and one call of it.
std::string EspalierBinary();
ProgramResult RunEspalier(std::vector<std::string> arguments, std::string_view input = "");

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, std::string_view bytes);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TESTS_PROGRAM_H_
