#include "tools/text/hex.h"

namespace espalier::tools {

void AppendHex(std::string_view bytes, std::string* text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const size_t start = text->size();
  text->resize(start + 2 * bytes.size());
  char* out = text->data() + start;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *out++ = kDigits[byte >> 4];
    *out++ = kDigits[byte & 0xf];
  }
}

std::string ToHex(std::string_view bytes) {
  std::string text;
  AppendHex(bytes, &text);
  return text;
}

std::optional<unsigned> HexDigitValue(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a') + 10;
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A') + 10;
  return std::nullopt;
}

bool DecodeHex(std::string_view text, std::string* bytes) {
  if (text.size() % 2 != 0) return false;
  bytes->resize(text.size() / 2);
  for (size_t i = 0; i < bytes->size(); ++i) {
    const std::optional<unsigned> high = HexDigitValue(text[2 * i]);
    const std::optional<unsigned> low = HexDigitValue(text[2 * i + 1]);
    if (!high || !low) return false;
    (*bytes)[i] = static_cast<char>(*high << 4 | *low);
  }
  return true;
}

}  // namespace espalier::tools
