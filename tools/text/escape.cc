#include "tools/text/escape.h"

#include <optional>

#include "tools/text/hex.h"

namespace espalier::tools {
namespace {

void AppendEscape(std::string_view byte, std::string* text) {
  text->push_back('\\');
  AppendHex(byte, text);
}

}  // namespace

void AppendEscaped(std::string_view bytes, std::string* text) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c >= ' ' && c <= '~' && c != '\\') {
      text->push_back(c);
    } else {
      AppendEscape(bytes.substr(i, 1), text);
    }
  }
}

void AppendReadable(std::string_view bytes, std::string* text) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte >= ' ' && byte != 0x7f && byte != '\\') {
      text->push_back(bytes[i]);
    } else {
      AppendEscape(bytes.substr(i, 1), text);
    }
  }
}

bool DecodeEscaped(std::string_view text, std::string* bytes) {
  bytes->clear();
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      bytes->push_back(text[i++]);
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == '\\') {
      bytes->push_back('\\');
      i += 2;
      continue;
    }
    if (i + 2 >= text.size()) return false;
    const std::optional<unsigned> high = HexDigitValue(text[i + 1]);
    const std::optional<unsigned> low = HexDigitValue(text[i + 2]);
    if (!high || !low) return false;
    bytes->push_back(static_cast<char>(*high << 4 | *low));
    i += 3;
  }
  return true;
}

}  // namespace espalier::tools
