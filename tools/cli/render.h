// Keys and values as output: text for people, hexadecimal with --hex, members of JSON objects.
#ifndef ESPALIER_TOOLS_CLI_RENDER_H_
#define ESPALIER_TOOLS_CLI_RENDER_H_

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace espalier::tools {

// Members in the order in which they were set.
using Json = nlohmann::ordered_json;

// Appends `bytes` so that they stay on one line: hexadecimal, or text with control characters and
// backslashes as \HH.
void AppendBytes(std::string_view bytes, bool hex, std::string* line);

// Sets `name` to the bytes as a string, or with `hex` to their digits. Bytes that are not UTF-8,
// which JSON strings cannot hold, become digits in a member `name`_hex instead.
void SetBytes(const std::string& name, std::string_view bytes, bool hex, Json* object);

// One line, for streams of objects; several indented ones for a single object.
std::string JsonLine(const Json& object);
std::string JsonDocument(const Json& object);

bool IsUtf8(std::string_view bytes);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_CLI_RENDER_H_
