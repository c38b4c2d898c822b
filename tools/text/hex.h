// Bytes as hexadecimal digits, two a byte.
#ifndef ESPALIER_TOOLS_TEXT_HEX_H_
#define ESPALIER_TOOLS_TEXT_HEX_H_

#include <optional>
#include <string>
#include <string_view>

namespace espalier::tools {

// Appends `bytes` to `text` in lower case.
void AppendHex(std::string_view bytes, std::string* text);
std::string ToHex(std::string_view bytes);

// The value of a digit in either case, or nothing.
std::optional<unsigned> HexDigitValue(char digit);

// Replaces `bytes` by what `text` stands for, either case. False, `bytes` unspecified, for an odd
// number of digits or a character that is none.
bool DecodeHex(std::string_view text, std::string* bytes);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TEXT_HEX_H_
