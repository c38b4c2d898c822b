// A small database with a page of every kind, and what must be in it: what the tests in this folder
// damage and then read.

#ifndef ESPALIER_TESTS_HOSTILE_SAMPLE_DATABASE_H_
#define ESPALIER_TESTS_HOSTILE_SAMPLE_DATABASE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "espalier/espalier.h"
#include "tests/hostile/memory_file.h"

namespace espalier::testing {

// Keyspace name to key to value.
using Contents = std::map<std::string, std::map<std::string, std::string>>;

struct SampleOptions {
  uint32_t page_size_bytes = 4096;
  // A value of more than one chunk of 64 KiB, which more than doubles the file.
  bool chunked_value = false;
  // A dropped keyspace of which pages are still to be freed, 400 KB more.
  bool dropped_tree = false;
};

struct Sample {
  Bytes image;  // of the closed file
  Contents contents;
};

// Options for a database that is opened thousands of times.
Options SmallMappingOptions(bool read_only = false);

// Writes the contents into an empty database, one transaction a keyspace.
absl::Status FillSample(Database& db, const SampleOptions& options, Contents& contents);

Sample MakeSample(const SampleOptions& options = {});

struct ReadResult {
  // What was read and is not what was written, or a status that is none of corruption; empty if
  // there was nothing of the kind.
  std::string wrong;
  bool damaged = false;  // some call said kDataLoss
};

// Reads all of the contents in every way that the API has, and compares.
ReadResult ReadEverything(Database& db, const Contents& contents);

}  // namespace espalier::testing

#endif  // ESPALIER_TESTS_HOSTILE_SAMPLE_DATABASE_H_
