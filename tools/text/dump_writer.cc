#include "tools/text/dump_writer.h"

#include <algorithm>

#include "tools/text/escape.h"
#include "tools/text/hex.h"

namespace espalier::tools {
namespace {

// A value may have gigabytes: it is encoded in slices.
constexpr size_t kSliceBytes = size_t{1} << 14;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kTiB = uint64_t{1} << 40;

// LMDB's largest key, and what a node adds to it.
constexpr uint64_t kLmdbKeyBytes = 511;
constexpr uint64_t kLmdbNodeBytes = 10;

// LZ4 cannot do better.
constexpr uint64_t kMaxCompressionRatio = 255;

bool FitsOnALine(std::string_view name) {
  return name.find('\n') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

void DumpWriter::BeginSection(const DumpHeader& header) {
  encoding_ = header.encoding;
  std::string text = "VERSION=3\n";
  text += encoding_ == DumpEncoding::kPrint ? "format=print\n" : "format=bytevalue\n";
  if (!header.keyspace.empty()) {
    text += "database=";
    if (FitsOnALine(header.keyspace)) {
      text += header.keyspace;
    } else {
      AppendEscaped(header.keyspace, &text);
      text += "\ndatabase_escaped=1";
    }
    text += '\n';
  }
  text += "type=btree\n";
  text += "mapsize=" + std::to_string(map_size_bytes_) + "\n";
  text += "maxreaders=126\n";
  if (header.compress_values_from_bytes != 0) {
    text +=
        "compress_values_from_bytes=" + std::to_string(header.compress_values_from_bytes) + "\n";
  }
  text += "HEADER=END\n";
  output_.Write(text);
}

void DumpWriter::WriteEntry(std::string_view key, std::string_view value) {
  WriteLine(key);
  WriteLine(value);
}

void DumpWriter::EndSection() { output_.Write("DATA=END\n"); }

void DumpWriter::WriteLine(std::string_view bytes) {
  text_ = " ";
  while (!bytes.empty()) {
    const std::string_view slice = bytes.substr(0, kSliceBytes);
    bytes.remove_prefix(slice.size());
    if (encoding_ == DumpEncoding::kPrint) {
      AppendEscaped(slice, &text_);
    } else {
      AppendHex(slice, &text_);
    }
    if (bytes.empty()) break;
    output_.Write(text_);
    text_.clear();
  }
  text_ += '\n';
  output_.Write(text_);
}

uint64_t LmdbMapSize(const DumpedSize& size) {
  // Nothing that mmap would grant is lost by the cap, and the sums below stay far from 2^64.
  constexpr uint64_t kCap = 32 * kTiB;
  const uint64_t values =
      std::min(size.file_bytes, kCap) * (size.compressed ? kMaxCompressionRatio : 1);
  const uint64_t nodes = std::min(size.entries, kCap) * (kLmdbKeyBytes + kLmdbNodeBytes);
  const uint64_t bytes = 64 * kMiB + 4 * (values + nodes);
  return std::min((bytes + kMiB - 1) / kMiB * kMiB, kCap);
}

}  // namespace espalier::tools
