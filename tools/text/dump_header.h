// The text format of mdb_dump and mdb_load (after Berkeley DB's db_dump): what stands in a header.
//
//   stream   = section*                    one section a keyspace
//   section  = "VERSION=3" keyword* "HEADER=END" (key value)* "DATA=END"
//   keyword  = NAME "=" VALUE              unknown ones are skipped
//   key      = " " BYTES                   a line; BYTES in the encoding that `format` names
//   value    = " " BYTES
//
// Keywords that mean something here:
//
//   format=bytevalue|print      hexadecimal digits, or text with \HH escapes
//   database=NAME               the keyspace; without it the default one
//   type=btree                  nothing else exists
//   mapsize=BYTES               the room that mdb_load sets aside
//   maxreaders=NUMBER           for LMDB only
//   duplicates, dupsort, ...    several values a key: refused by name
//
// Espalier's own, which mdb_load skips with a remark:
//
//   database_escaped=1                   NAME has \HH escapes (it holds a newline or a NUL)
//   compress_values_from_bytes=NUMBER    KeyspaceOptions
#ifndef ESPALIER_TOOLS_TEXT_DUMP_HEADER_H_
#define ESPALIER_TOOLS_TEXT_DUMP_HEADER_H_

#include <cstdint>
#include <string>

namespace espalier::tools {

enum class DumpEncoding { kBytevalue, kPrint };

struct DumpHeader {
  DumpEncoding encoding = DumpEncoding::kBytevalue;
  std::string keyspace;  // empty: the default one, LMDB's main database
  uint32_t compress_values_from_bytes = 0;
};

}  // namespace espalier::tools

#endif  // ESPALIER_TOOLS_TEXT_DUMP_HEADER_H_
