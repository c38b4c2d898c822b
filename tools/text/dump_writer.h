// Writes the text format of mdb_dump (see dump_header.h), so that mdb_load can load it.
#ifndef ESPALIER_TOOLS_TEXT_DUMP_WRITER_H_
#define ESPALIER_TOOLS_TEXT_DUMP_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/text/dump_header.h"
#include "tools/text/output.h"

namespace espalier::tools {

// Errors stay in the output's status(). The default keyspace must come first, or mdb_load puts it
// into the named database before it.
class DumpWriter {
 public:
  // `map_size_bytes` is what mdb_load is told to set aside; see LmdbMapSize.
  DumpWriter(Output& output, uint64_t map_size_bytes)
      : output_(output), map_size_bytes_(map_size_bytes) {}

  void BeginSection(const DumpHeader& header);
  void WriteEntry(std::string_view key, std::string_view value);
  void EndSection();

 private:
  void WriteLine(std::string_view bytes);

  Output& output_;
  const uint64_t map_size_bytes_;
  DumpEncoding encoding_ = DumpEncoding::kBytevalue;
  std::string text_;  // scratch
};

// An upper bound of the room that LMDB needs for the entries of a database, 4 KiB pages half full
// included. LMDB reserves address space only, so a generous bound costs nothing.
struct DumpedSize {
  uint64_t file_bytes = 0;
  uint64_t entries = 0;
  bool compressed = false;  // some values may be
};
uint64_t LmdbMapSize(const DumpedSize& size);

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TEXT_DUMP_WRITER_H_
