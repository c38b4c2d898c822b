#include "tools/text/dump_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "tools/text/escape.h"
#include "tools/text/hex.h"

namespace espalier::tools {
namespace {

constexpr std::string_view kHeaderEnd = "HEADER=END";
constexpr std::string_view kDataEnd = "DATA=END";

// Several values a key. The value in the header says whether the flag is on.
constexpr std::string_view kDuplicateFlags[] = {"duplicates", "dupsort", "dupfixed", "integerdup",
                                                "reversedup"};
// Another order of the keys than that of their bytes.
constexpr std::string_view kOrderFlags[] = {"integerkey", "reversekey"};

template <size_t kSize>
bool Contains(const std::string_view (&names)[kSize], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::optional<uint32_t> ParseNumber(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// For messages: the start of a line, whatever it holds.
std::string Excerpt(std::string_view line) {
  constexpr size_t kLongest = 40;
  std::string text = "\"";
  AppendEscaped(line.substr(0, kLongest), &text);
  return text + (line.size() > kLongest ? "...\"" : "\"");
}

}  // namespace

absl::Status DumpReader::Malformed(const std::string& what) const {
  return absl::InvalidArgumentError("line " + std::to_string(lines_.line_number()) + ": " + what);
}

absl::StatusOr<bool> DumpReader::NextSection() {
  header_ = DumpHeader();
  keyspace_escaped_ = false;
  remarks_.clear();

  auto line = lines_.Next();
  if (!line.ok()) return line.status();
  if (!line->has_value()) return false;
  if (!(*line)->starts_with("VERSION=")) {
    return Malformed("expected VERSION=3, found " + Excerpt(**line));
  }
  while (**line != kHeaderEnd) {
    const size_t equals = (*line)->find('=');
    if (equals == std::string_view::npos) {
      return Malformed("expected a header line NAME=VALUE, found " + Excerpt(**line));
    }
    if (absl::Status status = Keyword((*line)->substr(0, equals), (*line)->substr(equals + 1));
        !status.ok()) {
      return status;
    }
    line = lines_.Next();
    if (!line.ok()) return line.status();
    if (!line->has_value()) return Malformed("the input ends within a header");
  }
  if (absl::Status status = FinishHeader(); !status.ok()) return status;
  return true;
}

absl::Status DumpReader::Keyword(std::string_view name, std::string_view value) {
  if (name == "VERSION") {
    const std::optional<uint32_t> version = ParseNumber(value);
    if (!version || *version < 1 || *version > 3) {
      return Malformed("unknown version " + Excerpt(value) + "; 3 is the newest known");
    }
  } else if (name == "format") {
    if (value == "print") {
      header_.encoding = DumpEncoding::kPrint;
    } else if (value == "bytevalue") {
      header_.encoding = DumpEncoding::kBytevalue;
    } else {
      return Malformed("unknown format " + Excerpt(value) + "; bytevalue and print are known");
    }
  } else if (name == "type") {
    if (value != "btree")
      return Malformed("unknown type " + Excerpt(value) + "; only btree is known");
  } else if (name == "database") {
    header_.keyspace = value;
  } else if (name == "database_escaped") {
    keyspace_escaped_ = value == "1";
  } else if (name == "compress_values_from_bytes") {
    const std::optional<uint32_t> bytes = ParseNumber(value);
    if (!bytes) return Malformed("bad number " + Excerpt(value));
    header_.compress_values_from_bytes = *bytes;
  } else if (name == "keys" && value == "0") {
    return Malformed("keys=0: the dump holds values without keys");
  } else if (Contains(kDuplicateFlags, name) && value != "0") {
    return Malformed(std::string(name) + "=" + std::string(value) +
                     ": the dump holds several values a key, which Espalier does not have");
  } else if (Contains(kOrderFlags, name) && value != "0") {
    remarks_.push_back("line " + std::to_string(lines_.line_number()) + ": " + std::string(name) +
                       ": here keys are in the order of their bytes");
  }
  return absl::OkStatus();
}

absl::Status DumpReader::FinishHeader() {
  if (!keyspace_escaped_) return absl::OkStatus();
  std::string name;
  if (!DecodeEscaped(header_.keyspace, &name)) {
    return Malformed("bad escape in the database name " + Excerpt(header_.keyspace));
  }
  header_.keyspace = std::move(name);
  return absl::OkStatus();
}

absl::StatusOr<bool> DumpReader::NextEntry() {
  auto line = lines_.Next();
  if (!line.ok()) return line.status();
  if (!line->has_value()) return Malformed("the input ends before DATA=END");
  if (**line == kDataEnd) return false;
  if (absl::Status status = Decode(**line, &key_); !status.ok()) return status;

  line = lines_.Next();
  if (!line.ok()) return line.status();
  if (!line->has_value() || **line == kDataEnd) return Malformed("a key without a value");
  if (absl::Status status = Decode(**line, &value_); !status.ok()) return status;
  return true;
}

absl::Status DumpReader::Decode(std::string_view line, std::string* bytes) const {
  if (!line.starts_with(' ')) {
    return Malformed("expected a space and data, or DATA=END, found " + Excerpt(line));
  }
  line.remove_prefix(1);
  if (header_.encoding == DumpEncoding::kBytevalue) {
    if (DecodeHex(line, bytes)) return absl::OkStatus();
    return Malformed("not an even number of hexadecimal digits: " + Excerpt(line));
  }
  if (DecodeEscaped(line, bytes)) return absl::OkStatus();
  return Malformed("bad escape in " + Excerpt(line) +
                   " (mdb_dump -p of LMDB 0.9 does not escape backslashes: dump without -p)");
}

}  // namespace espalier::tools
