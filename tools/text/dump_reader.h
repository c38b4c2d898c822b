// Reads the text format of mdb_dump (see dump_header.h) section by section, entry by entry.
//
//   DumpReader reader(lines);
//   for (auto more = reader.NextSection(); ...; more = reader.NextSection())
//     for (auto entry = reader.NextEntry(); ...; entry = reader.NextEntry())
#ifndef ESPALIER_TOOLS_TEXT_DUMP_READER_H_
#define ESPALIER_TOOLS_TEXT_DUMP_READER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/text/dump_header.h"
#include "tools/text/line_reader.h"

namespace espalier::tools {

// Stricter than mdb_load, which takes a stream that breaks off for a whole one: here the end of the
// input before DATA=END is an error. All errors in the text are kInvalidArgument and say "line N";
// the source's errors come through as they are.
class DumpReader {
 public:
  explicit DumpReader(LineReader& lines) : lines_(lines) {}

  // Reads the next section's header; false at the end of the input.
  absl::StatusOr<bool> NextSection();
  const DumpHeader& header() const { return header_; }
  // What the header asked for that Espalier has not, harmless for the data; a line each.
  const std::vector<std::string>& remarks() const { return remarks_; }

  // Reads the next key and value of the section; false at its end.
  absl::StatusOr<bool> NextEntry();
  std::string_view key() const { return key_; }  // both valid until the next call
  std::string_view value() const { return value_; }

 private:
  absl::Status Malformed(const std::string& what) const;
  absl::Status Keyword(std::string_view name, std::string_view value);
  absl::Status FinishHeader();
  absl::Status Decode(std::string_view line, std::string* bytes) const;

  LineReader& lines_;
  DumpHeader header_;
  bool keyspace_escaped_ = false;
  std::vector<std::string> remarks_;
  std::string key_;
  std::string value_;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TEXT_DUMP_READER_H_
