#include "tools/cli/render.h"

#include "tools/text/escape.h"
#include "tools/text/hex.h"

namespace espalier::tools {
namespace {

// The length of the UTF-8 sequence at the start of `bytes`, 0 if there is none: no overlong forms,
// no surrogates, nothing above U+10FFFF.
size_t Utf8SequenceBytes(std::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || bytes.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f) ||
      (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f)) {
    return 0;
  }
  return length;
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = Utf8SequenceBytes(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

void AppendBytes(std::string_view bytes, bool hex, std::string* line) {
  if (hex) {
    AppendHex(bytes, line);
  } else {
    AppendReadable(bytes, line);
  }
}

void SetBytes(const std::string& name, std::string_view bytes, bool hex, Json* object) {
  if (hex) {
    (*object)[name] = ToHex(bytes);
  } else if (IsUtf8(bytes)) {
    (*object)[name] = bytes;
  } else {
    (*object)[name + "_hex"] = ToHex(bytes);
  }
}

std::string JsonLine(const Json& object) { return object.dump() + "\n"; }

std::string JsonDocument(const Json& object) { return object.dump(2) + "\n"; }

}  // namespace espalier::tools
