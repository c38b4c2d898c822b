// Bytes as printable text: what does not print stands there as a backslash and two hexadecimal
// digits.
#ifndef ESPALIER_TOOLS_TEXT_ESCAPE_H_
#define ESPALIER_TOOLS_TEXT_ESCAPE_H_

#include <string>
#include <string_view>

namespace espalier::tools {

// Appends `bytes` as the print format of mdb_dump has them: everything but the printable characters
// of ASCII is escaped. The backslash becomes \5c and not \\: mdb_load of LMDB 0.9.24, Debian 12's,
// decodes a \\ wrongly when another escape stands before it in the line.
void AppendEscaped(std::string_view bytes, std::string* text);

// For people: escapes control characters and the backslash only, so that UTF-8 stays readable and
// an entry stays on its line.
void AppendReadable(std::string_view bytes, std::string* text);

// Replaces `bytes` by what `text` stands for: \\ is a backslash, \HH the byte HH. False, `bytes`
// unspecified, when something else follows a backslash.
bool DecodeEscaped(std::string_view text, std::string* bytes);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TEXT_ESCAPE_H_
